#include "runtime/vfork_stack.hpp"

#include <sys/mman.h>

#include <algorithm>

namespace sudrun::runtime {
namespace {

constexpr std::size_t kPage = 4096;

/// Reads pages until one cannot be read. Bytes read.
std::size_t read_pages(abi::Host& host, abi::GuestAddr from, void* to, std::size_t size) noexcept {
  std::size_t done = 0;
  while (done < size) {
    const std::size_t piece = std::min(size - done, kPage - abi::word_of(from + done) % kPage);
    if (!host.read(from + done, static_cast<std::byte*>(to) + done, piece)) break;
    done += piece;
  }
  return done;
}

}  // namespace

VforkStack::VforkStack(abi::Host& host, abi::GuestAddr top) noexcept : top_(top) {
  void* const memory =
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return;
  shared_ = static_cast<Shared*>(memory);
  words_ = read_pages(host, top_, shared_->before.data(), kSize) / sizeof(abi::Word);
}

VforkStack::~VforkStack() {
  if (shared_ != nullptr) ::munmap(shared_, sizeof(Shared));
}

void VforkStack::leave(abi::Host& child) noexcept {
  if (shared_ == nullptr) return;
  shared_->left = child.read(top_, shared_->after.data(), words_ * sizeof(abi::Word));
}

void VforkStack::take_over(abi::Host& parent) noexcept {
  if (shared_ == nullptr || !shared_->left) return;
  for (std::size_t i = 0; i < words_; ++i)
    if (shared_->after[i] != shared_->before[i]) parent.put(top_ + i * sizeof(abi::Word), shared_->after[i]);
}

}  // namespace sudrun::runtime
