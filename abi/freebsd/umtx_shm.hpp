// UMTX_OP_SHM: a page of shared memory that belongs to an address, where libthr keeps process-shared objects.
#pragma once

#include <mutex>
#include <vector>

#include "abi/host.hpp"

namespace sudrun::abi::freebsd {

/// The pages this process and its ancestors have made, by what backs the address. A page made by a process
/// that is no ancestor is not found.
class UmtxPages {
 public:
  /// `flags`: exactly one of UMTX_SHM_*. Allocates.
  Result request(Host& host, GuestAddr address, std::uint32_t flags) noexcept;

  void before_fork() noexcept { mutex_.lock(); }
  void after_fork() noexcept { mutex_.unlock(); }

 private:
  /// File and offset behind an address; memory that is not shared has device and inode 0.
  struct Key {
    std::uint64_t device = 0, inode = 0, offset = 0;
    bool operator==(const Key&) const = default;
  };
  struct Page {
    Key key;
    int fd = -1;  ///< hidden from the guest
  };
  static bool find_key(Host& host, Word address, Key& key) noexcept;
  NativeResult create(Host& host, const Key& key) noexcept;

  std::mutex mutex_;
  std::vector<Page> pages_;
};

}  // namespace sudrun::abi::freebsd
