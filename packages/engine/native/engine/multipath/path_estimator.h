// What one path can carry, learnt from what was sent by it and what the receiver says has arrived.
//
// The bottleneck is pictured as one queue that drains at `rate`. Each packet's wait in it is predicted when it is sent
// and measured when its arrival is reported; the difference moves the picture. So the backlog follows what the path
// really does even while the rate is wrong, and the rate follows what arrives while there is a backlog.
//
// Receiver's times are on the receiver's clock: one-way delays hold an unknown offset, the same for all paths of a peer.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

namespace asterism {

class PathEstimator {
 public:
  /** How much backlog a path is given. */
  static constexpr uint64_t TARGET_NS = 8'000'000;
  /** Of most packets, while there is much to send. */
  static constexpr size_t PACKET_BYTES = 1452;

  /** What is remembered of a packet until it is reported. */
  struct Sent {
    uint64_t sent_ns = 0;
    /** When its turn in the bottleneck was predicted to come, less the correction made until then. */
    int64_t turn_ns = 0;
    /** Bytes sent by the path up to and with this one. */
    uint64_t path_bytes = 0;
    /** path_bytes of the last packet until then that found the path idle. */
    uint64_t idle_bytes = 0;

    bool found_idle() const { return idle_bytes == path_bytes; }
  };

  Sent sent(size_t bytes, uint64_t now);
  /** A packet that was sent by this path arrived at `arrived_ns` of the receiver's clock. */
  void arrived(const Sent& packet, uint64_t arrived_ns);
  /** At `clock_ns` of the receiver's, a packet that was sent by this path should long have arrived. */
  bool overdue(const Sent& packet, size_t bytes, uint64_t clock_ns) const;
  /** Bytes are known not to have arrived. */
  void lost(size_t bytes) { lost_bytes_ += bytes; }
  /** There was more to send than the path has room for. */
  void press(uint64_t now) { (starting(now) ? held_back_ : pressed_) = true; }
  /** The least delay is that of this stretch of time and the one before. */
  void begin_stretch();
  /** Nothing more until then, so that the queue runs empty and the least delay stays true. */
  void rest(uint64_t until);
  void set_round_trip(uint64_t ns) { round_trip_ns_ = ns; }
  /** Bytes per second, 0 for none. */
  void set_cap(double bytes_per_second);

  /** The path's limit has not shown yet. */
  bool growing() const { return growing_; }
  /** It takes what it is given, with no queue: others, or the machines, are the limit. */
  bool at_ease() const { return at_ease_ && !pressed_; }
  /** True once a packet is known to have arrived. */
  bool known() const { return known_; }
  double rate() const { return rate_; }
  int64_t delay_ns() const { return delay_min_[0] < delay_min_[1] ? delay_min_[0] : delay_min_[1]; }
  uint64_t queueing_ns() const { return queueing_ns_; }
  uint64_t backlog_ns(uint64_t now) const { return free_at_ > now ? free_at_ - now : 0; }
  bool has_room(uint64_t now) const { return now >= rests_until_ && backlog_ns(now) < target() && !starting(now); }
  /** When there will be room if nothing is reported until then. */
  uint64_t room_at() const {
    const uint64_t at = std::max(rests_until_, free_at_ > target() ? free_at_ - target() : 0);
    return starting(at) ? start_stalls_at() : at;
  }
  /** When a packet sent now would arrive, on the receiver's clock. */
  int64_t arrival_ns(size_t bytes, uint64_t now) const {
    return static_cast<int64_t>((free_at_ > now ? free_at_ : now) + service_ns(bytes)) + delay_ns();
  }

 private:
  static constexpr double FIRST_RATE = 1.25e6;
  static constexpr uint64_t FIRST_WINDOW_BYTES = 48'000;
  /** Nothing has been heard for this and a round trip: what was on its way is lost. */
  static constexpr uint64_t START_STALL_NS = 30'000'000;

  /** Slow paths have a few packets waiting at least. */
  uint64_t target() const { return target_ns_ + 3 * service_ns(PACKET_BYTES); }
  /**
   * So much is on its way by a path of unknown limit that more may be too much: as with TCP (RFC 5681, 3.1), what has
   * arrived allows twice as much.
   */
  bool starting(uint64_t now) const {
    return guessed_ && sent_bytes_ >= FIRST_WINDOW_BYTES + 2 * arrived_bytes_ && now < start_stalls_at();
  }
  uint64_t start_stalls_at() const { return last_sent_ + round_trip_ns_ + START_STALL_NS; }
  uint64_t service_ns(size_t bytes) const { return static_cast<uint64_t>(static_cast<double>(bytes) * ns_per_byte_); }
  void follow(const Sent& packet, uint64_t queueing_ns);
  void note_losses(double passed);
  void measure_rate(const Sent& packet, uint64_t arrived_ns);
  void begin_window(uint64_t path_bytes, uint64_t arrived_ns);
  void set_rate(double bytes_per_second);

  bool known_ = false;
  double rate_ = FIRST_RATE;
  double ns_per_byte_ = 1e9 / FIRST_RATE;
  double cap_ = 0;

  uint64_t sent_bytes_ = 0;
  /** Until the last packet that is known to have arrived. */
  uint64_t arrived_bytes_ = 0;
  uint64_t last_sent_ = 0;
  /** sent_bytes_ when the path was last found idle. */
  uint64_t idle_bytes_ = 0;
  uint64_t round_trip_ns_ = 0;
  /** When the bottleneck will be done with what was sent. */
  uint64_t free_at_ = 0;
  int64_t correction_ns_ = 0;
  /** By how much waits differed from what was predicted: the worst of late. */
  double jitter_ns_ = 0;
  std::array<int64_t, 3> recent_{};
  unsigned recent_count_ = 0;

  // Least delay of this stretch of time and the one before.
  std::array<int64_t, 2> delay_min_{INT64_MAX, INT64_MAX};
  /** Nothing arrived in the stretch before. */
  bool stale_ = false;
  uint64_t rests_until_ = 0;
  uint64_t target_ns_ = TARGET_NS;
  uint64_t queueing_ns_ = 0;

  // The measurement of the rate under way.
  uint64_t window_bytes_ = 0;
  uint64_t window_began_ = 0;
  uint64_t window_queueing_ = UINT64_MAX;
  uint64_t window_last_ = 0;
  /** The bottleneck was never idle in it. */
  bool window_busy_ = true;
  /** The rate was tried, not measured. */
  bool guessed_ = true;
  bool pressed_ = false;
  /** Only `starting` left no room. */
  bool held_back_ = false;
  bool growing_ = true;
  bool at_ease_ = false;

  double loss_ = 0;
  double judged_bytes_ = 0;
  uint64_t lost_bytes_ = 0;
};

}  // namespace asterism
