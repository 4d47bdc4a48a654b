#include "runtime/mapping_change_unsafe.hpp"

#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>

#include "runtime/gate.hpp"
#include "runtime/thread.hpp"

namespace sudrun::runtime {

namespace {
constexpr abi::Word kShortJump = 130;  // so far from its hop a site may begin
}

void MappingChange::add(abi::Word start, abi::Word size) noexcept {
  if (!allowed_) return;
  constexpr abi::Word kPageMask = 4095;  // what changes is whole pages
  const abi::Word rounded = (start + size + kPageMask) & ~kPageMask;
  const abi::Word end = size == 0 ? start : rounded < start ? ~abi::Word{0} : rounded;
  process_.time_page().mapping_changes(start, end);
  if (!process_.rewriting()) return;
  Rewriter& rewriter = process_.rewriter();
  const Rewriter::Change change = rewriter.begin_change(start, end);
  allowed_ = change != Rewriter::Change::refused;
  begun_ += allowed_ ? 1 : 0;
  if (change == Rewriter::Change::hops_left) {
    // A thread may have executed the jump at the site and not yet the hop. Its catcher takes it back.
    const int own_signal = process_.signals().own_signal();
    if (own_signal != 0) process_.threads().interrupt_others(*this_block().thread, own_signal);
    rewriter.remove_hops(start, end);
  }
  if (change == Rewriter::Change::undone || change == Rewriter::Change::hops_left)
    process_.sites().forget(start - std::min(start, kShortJump), end + std::min(~end, kShortJump));
}

void MappingChange::begin(long number, const Arguments& args) noexcept {
  static_assert(kCalls ==
                (abi::Word{1} << SYS_mmap | abi::Word{1} << SYS_mprotect | abi::Word{1} << SYS_munmap |
                 abi::Word{1} << SYS_mremap | abi::Word{1} << SYS_madvise | abi::Word{1} << SYS_shmat));
  switch (number) {
    case SYS_mmap:
      if ((args[3] & MAP_FIXED) != 0) add(args[0], args[1]);
      return;
    case SYS_mremap:
      add(args[0], args[1]);
      if ((args[3] & MREMAP_FIXED) != 0) add(args[4], args[2]);
      return;
    case SYS_shmat: {
      if ((args[2] & SHM_REMAP) == 0) return;
      shmid_ds segment{};
      if (native(SYS_shmctl, args[0], IPC_STAT, word(&segment)) == 0) add(args[1], segment.shm_segsz);
      return;
    }
    case SYS_mprotect:
      // Code stays code that cannot be written: other threads may be running in it, and it stays as it is.
      if ((args[2] & (PROT_WRITE | PROT_EXEC)) == PROT_EXEC) return add(0, 0);
      [[fallthrough]];
    default:
      add(args[0], args[1]);
  }
}

// What lies between its own mappings is nothing to the guest, which may well unmap it all. To map something
// over stubs there is no room.
abi::NativeResult GuestThread::change_refused(long number, abi::Word start, abi::Word size) noexcept {
  if (number != SYS_munmap) return -ENOMEM;
  for (const abi::Word end = start + size; start < end;) {
    const auto [stubs, stubs_end] = process_.rewriter().stubs_in(start, end);
    if (start < stubs)
      if (const abi::NativeResult r = call(SYS_munmap, start, stubs - start, 0, 0, 0, 0); r != 0) return r;
    start = stubs_end;
  }
  return 0;
}

}  // namespace sudrun::runtime
