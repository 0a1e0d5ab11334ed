#include "multipath/messages.h"

#include <algorithm>

#include "base/bytes.h"

namespace asterism {
namespace {

constexpr uint8_t REQUEST = 0x11;
constexpr uint8_t REPORT = 0x12;
constexpr size_t REPORT_HEADER_BYTES = 32;

}  // namespace

size_t MultipathRequest::write(uint8_t* to) const {
  to[0] = MULTIPATH_MESSAGE;
  to[1] = REQUEST;
  to[2] = 0;
  to[3] = round;
  store_le32(to + 4, hold_us);
  return BYTES;
}

bool MultipathRequest::read(const uint8_t* from, size_t len) {
  if (len < BYTES || from[0] != MULTIPATH_MESSAGE || from[1] != REQUEST) return false;
  round = from[3];
  hold_us = load_le32(from + 4);
  return true;
}

size_t MultipathReport::write(uint8_t* to) const {
  to[0] = MULTIPATH_MESSAGE;
  to[1] = REPORT;
  to[2] = static_cast<uint8_t>(path_count);
  to[3] = static_cast<uint8_t>(word_count);
  store_le32(to + 4, session_index);
  store_le64(to + 8, greatest);
  store_le64(to + 16, clock_ns);
  store_le64(to + 24, first_word);
  uint8_t* at = to + REPORT_HEADER_BYTES;
  for (unsigned i = 0; i < path_count; i++, at += 8) {
    store_le32(at, static_cast<uint32_t>(std::min<uint64_t>(greatest - paths[i].counter, UINT32_MAX)));
    store_le32(at + 4, static_cast<uint32_t>(std::min<uint64_t>((clock_ns - paths[i].at_ns) / 1000, UINT32_MAX)));
  }
  for (unsigned i = 0; i < word_count; i++, at += 8) store_le64(at, words[i]);
  return static_cast<size_t>(at - to);
}

bool MultipathReport::read(const uint8_t* from, size_t len) {
  if (len < REPORT_HEADER_BYTES || from[0] != MULTIPATH_MESSAGE || from[1] != REPORT) return false;
  path_count = from[2];
  word_count = from[3];
  if (path_count > MAX_PATHS || word_count > MAX_WORDS) return false;
  if (len < REPORT_HEADER_BYTES + 8 * size_t{path_count} + 8 * size_t{word_count}) return false;
  session_index = load_le32(from + 4);
  greatest = load_le64(from + 8);
  clock_ns = load_le64(from + 16);
  first_word = load_le64(from + 24);
  if (first_word > greatest / 64 || word_count > greatest / 64 - first_word + 1) return false;
  const uint8_t* at = from + REPORT_HEADER_BYTES;
  for (unsigned i = 0; i < path_count; i++, at += 8) {
    const uint64_t behind = load_le32(at);
    if (behind > greatest) return false;
    paths[i] = {greatest - behind, clock_ns - uint64_t{load_le32(at + 4)} * 1000};
  }
  for (unsigned i = 0; i < word_count; i++, at += 8) words[i] = load_le64(at);
  return true;
}

}  // namespace asterism
