#include "tables/drop_reasons.h"

namespace asterism {

const char* const DROP_REASON_NAMES[DROP_REASONS] = {
#define ASTERISM_DROP_NAME(name, text) text,
    ASTERISM_DROP_REASONS(ASTERISM_DROP_NAME)
#undef ASTERISM_DROP_NAME
};

}  // namespace asterism
