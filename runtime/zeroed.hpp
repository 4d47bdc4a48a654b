// Large tables of which little is used: pages of zeros, each of which takes up memory only once it is
// written.
#pragma once

#include <sys/mman.h>

#include <new>
#include <type_traits>

namespace sudrun::runtime {

/// Holds one T that begins its life as zero bytes, without its constructor: zeros must be what that makes.
template <typename T>
class Zeroed {
 public:
  static_assert(std::is_trivially_destructible_v<T>);
  Zeroed() : pages_(::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
    if (pages_ == MAP_FAILED) throw std::bad_alloc();
  }
  ~Zeroed() { ::munmap(pages_, sizeof(T)); }
  Zeroed(const Zeroed&) = delete;
  Zeroed& operator=(const Zeroed&) = delete;

  T& operator*() noexcept { return *static_cast<T*>(pages_); }
  const T& operator*() const noexcept { return *static_cast<const T*>(pages_); }
  T* operator->() noexcept { return &**this; }
  const T* operator->() const noexcept { return &**this; }

 private:
  void* pages_;
};

}  // namespace sudrun::runtime
