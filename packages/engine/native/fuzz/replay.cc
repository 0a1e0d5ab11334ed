// Any sequence of counters: the window agrees with a memory of all of them. Input: { op (1), operand (8 or 2) }.
#include <algorithm>
#include <cstdlib>
#include <set>

#include "base/bytes.h"
#include "tables/session.h"
#include "wire/replay_window.h"

using namespace asterism;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ReplayWindow window;
  std::set<uint64_t> seen;
  while (size >= 9) {
    const uint8_t op = data[0];
    const uint64_t greatest = seen.empty() ? 0 : *seen.rbegin();
    uint64_t counter = load_le64(data + 1);
    const uint64_t step = counter & 0x3FFF;
    if ((op & 3) == 1) counter = greatest + step;
    if ((op & 3) == 2) counter = greatest - std::min(greatest, step);
    data += 9;
    size -= 9;
    if (counter >= REJECT_AFTER_MESSAGES) continue;
    const bool expected = seen.count(counter) == 0 && (counter > greatest || seen.empty() || greatest - counter < ReplayWindow::WINDOW);
    if (window.accepts(counter) != expected) abort();
    if ((op & 4) != 0) continue;
    if (window.commit(counter) != expected) abort();
    if (expected) seen.insert(counter);
  }
  return 0;
}
