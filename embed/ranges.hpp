// What memory is a guest's, so that it can be given back when the guest goes.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>

namespace sudrun::embed {

/// A set of addresses. Any thread.
class Ranges {
 public:
  void add(std::uint64_t start, std::uint64_t end);
  void remove(std::uint64_t start, std::uint64_t end);
  template <typename Do>
  void for_each(Do todo) {
    const std::scoped_lock hold(lock_);
    for (const auto& [start, end] : ranges_) todo(start, end);
  }

 private:
  void cut(std::uint64_t start, std::uint64_t end);

  std::mutex lock_;
  std::map<std::uint64_t, std::uint64_t> ranges_;  // start to end; they neither touch nor overlap
};

}  // namespace sudrun::embed
