#include "relay/drop_reasons.h"

namespace asterism {

const char* const RELAY_DROP_NAMES[RELAY_DROP_REASONS] = {
#define ASTERISM_DROP_NAME(name, text) text,
    ASTERISM_RELAY_DROPS(ASTERISM_DROP_NAME)
#undef ASTERISM_DROP_NAME
};

}  // namespace asterism
