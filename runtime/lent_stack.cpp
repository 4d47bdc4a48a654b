#include "runtime/lent_stack.hpp"

#include <sys/syscall.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include "runtime/gate.hpp"
#include "runtime/quiet_write.hpp"

namespace sudrun::runtime {
namespace {

/// Reads what there is of `to.size()` bytes; a stack may end before.
std::size_t read_some(abi::Host& guest, abi::GuestAddr from, std::span<std::byte> to) noexcept {
  constexpr std::size_t kPage = 4096;
  std::size_t done = 0;
  while (done < to.size()) {
    const std::size_t to_page_end = kPage - abi::word_of(from + done) % kPage;
    const std::size_t size = std::min(to.size() - done, to_page_end);
    if (!guest.read(from + done, to.data() + done, size)) break;
    done += size;
  }
  return done;
}

}  // namespace

std::unique_ptr<LentStack> LentStack::lend(abi::Host& guest, abi::GuestAddr stack, int pipe_end) noexcept {
  std::unique_ptr<LentStack> lent(new (std::nothrow) LentStack);
  if (!lent) return lent;
  lent->pipe_end_ = pipe_end;
  lent->start_ = stack;
  lent->size_ = read_some(guest, lent->start_, lent->before_);
  return lent;
}

void LentStack::hand_back(abi::Host& child) noexcept {
  const std::size_t size = read_some(child, start_, std::span(now_).first(size_));
  std::size_t count = 0;
  const auto send = [&] {
    write_quietly(pipe_end_, reinterpret_cast<const char*>(changes_.data()), count * sizeof(Change));
    count = 0;
  };
  for (std::size_t i = 0; i < size; ++i) {
    if (now_[i] == before_[i]) continue;
    before_[i] = now_[i];  // an exec that fails is not the end
    changes_[count++] = {static_cast<std::uint16_t>(i), now_[i]};
    if (count == changes_.size()) send();
  }
  if (count != 0) send();
}

void LentStack::take_back(abi::Host& parent, int pipe_end) noexcept {
  for (;;) {
    const std::int64_t got =
        native(SYS_read, static_cast<std::uint64_t>(pipe_end), word(changes_.data()), sizeof changes_);
    if (got == -EINTR) continue;
    if (got <= 0) return;
    for (const Change& change : std::span(changes_).first(static_cast<std::size_t>(got) / sizeof(Change)))
      if (change.offset < size_) parent.write(start_ + change.offset, &change.value, sizeof change.value);
  }
}

}  // namespace sudrun::runtime
