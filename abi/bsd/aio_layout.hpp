// Control blocks and numbers of asynchronous I/O.
// Sources: FreeBSD 14.0, sys/sys/aio.h, sys/kern/vfs_aio.c (struct oaiocb, limits), sys/sys/fcntl.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "abi/bsd/sigevent.hpp"

namespace sudrun::abi::bsd {

/// `struct aiocb`. That of FreeBSD 6 (`struct oaiocb`) has the old sigevent where `spare` is, and ends before
/// `event`.
struct GuestAiocb {
  std::int32_t fd;
  std::int64_t offset;
  std::uint64_t buffer;  ///< aio_iov of the vectored calls
  std::uint64_t size;    ///< aio_iovcnt of the vectored calls
  union {
    std::uint64_t spare[2];
    GuestSigeventOld old_event;
  };
  std::int32_t opcode;
  std::int32_t priority;
  std::int64_t status, error, kernel_info;  // struct __aiocb_private
  GuestSigevent event;
};
static_assert(sizeof(GuestAiocb) == 160 && offsetof(GuestAiocb, offset) == 8);
static_assert(offsetof(GuestAiocb, size) == 24 && offsetof(GuestAiocb, old_event) == 32);
static_assert(offsetof(GuestAiocb, opcode) == 48 && offsetof(GuestAiocb, status) == 56);
static_assert(offsetof(GuestAiocb, kernel_info) == 72 && offsetof(GuestAiocb, event) == 80);
inline constexpr std::size_t kOldAiocbSize = offsetof(GuestAiocb, event);

// LIO_*: what a request is to do.
inline constexpr int kLioNop = 0, kLioWrite = 1, kLioRead = 2, kLioVectored = 4, kLioSync = 8,
                     kLioDsync = 0x18, kLioMlock = 0x20;
// Modes of lio_listio, operations of aio_fsync, answers of aio_cancel.
inline constexpr int kLioNowait = 0, kLioWait = 1;
inline constexpr int kAioSync = 0x80, kAioDsync = 0x0100'0000;  // O_SYNC, O_DSYNC
inline constexpr int kAioCanceled = 1, kAioNotCanceled = 2, kAioAllDone = 3;

inline constexpr unsigned kMaxAioRequests = 256;      // vfs.aio.max_aio_queue_per_proc
inline constexpr std::uint64_t kMaxAioVector = 1024;  // UIO_MAXIOV

}  // namespace sudrun::abi::bsd
