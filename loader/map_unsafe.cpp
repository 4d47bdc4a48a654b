#include "loader/map_unsafe.hpp"

#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

#include "loader/text.hpp"

namespace sudrun::loader {
namespace {

using Kind = LoadError::Kind;

static_assert(kRead == PROT_READ && kWrite == PROT_WRITE && kExec == PROT_EXEC);
static_assert(sizeof(void*) == sizeof(Word));

constexpr Word kPieBase = 0x1000'0000'0000;
constexpr Word kStackRandomPages = Word{1} << 22;  // as many as Linux: 16 GiB
constexpr Word kStackGap = 1 << 20;                // between the highest stack and kGuestTop
constexpr std::size_t kLeastStack = 8 << 20, kMostStack = 64 << 20;
constexpr int kAttempts = 32;

void* pointer(Word address) noexcept {
  return reinterpret_cast<void*>(address);  // NOLINT(performance-no-int-to-ptr)
}

/// errno of a failed mapping, 0 on success. `flags` include MAP_FIXED or MAP_FIXED_NOREPLACE.
int try_map(Word address, Word length, unsigned prot, int flags, int fd = -1, Word offset = 0) noexcept {
  void* got = mmap(pointer(address), length, static_cast<int>(prot), flags | MAP_PRIVATE, fd,
                   static_cast<off_t>(offset));
  if (got == MAP_FAILED) return errno;
  if (got == pointer(address)) return 0;
  munmap(got, length);  // a kernel that does not know MAP_FIXED_NOREPLACE took it for a hint
  return EEXIST;
}

int reserve(Word address, Word length) noexcept {
  return try_map(address, length, 0, MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE);
}

Word random_word() noexcept {
  Word value = 0;
  if (getrandom(&value, sizeof value, GRND_NONBLOCK) == sizeof value) return value;
  timespec now{};  // before the kernel's pool is ready: better than a constant
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<Word>(now.tv_nsec) * 0x9e37'79b9'7f4a'7c15 ^ static_cast<Word>(getpid());
}

Word lowest_mappable() noexcept {
  Word value = 0;
  if (std::FILE* file = std::fopen("/proc/sys/vm/mmap_min_addr", "re")) {
    unsigned long long read = 0;
    if (std::fscanf(file, "%llu", &read) == 1) value = read;
    std::fclose(file);
  }
  return value;
}

std::string range_text(Word start, Word end) { return hex(start) + "-" + hex(end); }

LoadError mapping_error(int error, Word start, Word end, std::string_view what) {
  const std::string where = std::string(what) + " at " + range_text(start, end);
  if (error == EEXIST) {
    return {Kind::address_taken, "cannot map the " + where + ": something of the host is already there"};
  }
  if (error == EPERM || error == EACCES || error == EINVAL) {
    const Word lowest = lowest_mappable();
    if (start < lowest) {
      return {Kind::cannot_map, "cannot map the " + where + ": this system maps nothing below " +
                                    hex(lowest) + " (vm.mmap_min_addr)"};
    }
    if (error != EINVAL) {
      return {Kind::cannot_map, "cannot map the " + where + ": " + std::strerror(error) +
                                    " (a file system mounted noexec, or a file not opened for reading?)"};
    }
  }
  return {Kind::cannot_map, "cannot map the " + where + ": " + std::strerror(error)};
}

struct Range {
  Word start, end;
};

/// What must be free: for a fixed program the pages of its segments, neighbours joined; else the whole span.
std::vector<Range> ranges_of(const Image& image, Word bias) {
  if (image.is_pie()) return {{image.start() + bias, image.end() + bias}};
  std::vector<Range> ranges;
  for (const Segment& s : image.segments) {
    const Range r{page_down(s.vaddr) + bias, page_up(s.end()) + bias};
    if (!ranges.empty() && r.start <= ranges.back().end) {
      ranges.back().end = std::max(ranges.back().end, r.end);
    } else {
      ranges.push_back(r);
    }
  }
  return ranges;
}

/// Address ranges taken; given back unless kept.
class Reservation {
 public:
  Reservation() = default;
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;
  ~Reservation() {
    for (const Range& r : ranges_) munmap(pointer(r.start), r.end - r.start);
  }
  int take(Range r) {
    ranges_.reserve(ranges_.size() + 1);  // throws, if ever, before there is something to lose
    const int error = reserve(r.start, r.end - r.start);
    if (error == 0) ranges_.push_back(r);
    return error;
  }
  void keep() noexcept { ranges_.clear(); }

 private:
  std::vector<Range> ranges_;
};

bool read_exactly(int fd, Word to, Word size, Word offset) noexcept {
  while (size != 0) {
    const ssize_t got = pread(fd, pointer(to), size, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to += static_cast<Word>(got);
    offset += static_cast<Word>(got);
    size -= static_cast<Word>(got);
  }
  return true;
}

/// Maps segments over a reservation that covers them all.
class Placer {
 public:
  Placer(const Image& image, int fd, Word bias) noexcept : image_(image), fd_(fd), bias_(bias) {}

  std::optional<LoadError> place_all() {
    for (std::size_t i = 0; i < image_.segments.size(); ++i) {
      if (const int error = place(i)) {
        const Segment& s = image_.segments[i];
        if (error == kShrunk) return LoadError{Kind::truncated, "the file was cut short while it was loaded"};
        return mapping_error(error, page_down(s.vaddr) + bias_, page_up(s.end()) + bias_, "segment");
      }
    }
    return std::nullopt;
  }

 private:
  static constexpr int kShrunk = -1;

  int place(std::size_t index) noexcept {
    const Segment& s = image_.segments[index];
    const Word start = page_down(s.vaddr);
    const Word file_end = s.vaddr + s.filesz;
    // Whole pages come from the file; a last page of which memory holds more than the file is composed.
    const bool partial = s.memsz > s.filesz && s.filesz != 0 && file_end % kPageSize != 0;
    const Word mapped_end = s.filesz == 0 ? start : partial ? page_down(file_end) : page_up(file_end);
    const bool shared = index > 0 && image_.segments[index - 1].end() > start;
    const Word end = page_up(s.end());
    if (mapped_end > start) {
      const int error =
          try_map(start + bias_, mapped_end - start, s.prot, MAP_FIXED, fd_, page_down(s.offset));
      if (error != 0) return error;
    }
    if (end > mapped_end) {
      const int error = try_map(mapped_end + bias_, end - mapped_end, s.prot, MAP_FIXED | MAP_ANONYMOUS);
      if (error != 0) return error;
    }
    if (partial) {
      if (const int error = compose(page_down(file_end), index)) return error;
    }
    if (shared && !(partial && page_down(file_end) == start)) return compose(start, index);
    return 0;
  }

  /// Makes `page` a private copy of what segments up to `last` have in it, with the permissions of `last`.
  int compose(Word page, std::size_t last) noexcept {
    const Word at = page + bias_;
    if (const int error = try_map(at, kPageSize, kRead | kWrite, MAP_FIXED | MAP_ANONYMOUS)) return error;
    for (std::size_t i = 0; i <= last; ++i) {
      const Segment& s = image_.segments[i];
      const Word from = std::max(page, s.vaddr);
      const Word to = std::min(page + kPageSize, s.vaddr + s.filesz);
      if (from < to && !read_exactly(fd_, from + bias_, to - from, s.offset + (from - s.vaddr)))
        return kShrunk;
    }
    return mprotect(pointer(at), kPageSize, static_cast<int>(image_.segments[last].prot)) == 0 ? 0 : errno;
  }

  const Image& image_;
  int fd_;
  Word bias_;
};

bool fits(const Image& image, Word bias) noexcept {
  return bias <= abi::kGuestTop && image.end() <= abi::kGuestTop - bias;
}

/// Takes the addresses of `image` at a bias that is returned.
Outcome<Word> choose_place(const Image& image, const MapOptions& options, Reservation& reservation) {
  const auto take_at = [&](Word bias) -> std::optional<LoadError> {
    for (const Range& r : ranges_of(image, bias)) {
      if (const int error = reservation.take(r)) return mapping_error(error, r.start, r.end, "program");
    }
    return std::nullopt;
  };
  if (!image.is_pie() || options.bias) {
    const Word bias = image.is_pie() ? *options.bias : 0;
    if (image.start() + bias == 0) {
      // Root could; then the guest's null pointers would be readable.
      return LoadError{Kind::cannot_map, "cannot map the program at address 0"};
    }
    if (bias % image.max_align() != 0) {
      return LoadError{Kind::misaligned, "the load address " + hex(bias) +
                                             " is not a multiple of the program's alignment " +
                                             hex(image.max_align())};
    }
    if (!fits(image, bias)) {
      return LoadError{Kind::out_of_range, "the program does not fit below " + hex(abi::kGuestTop) +
                                               " at load address " + hex(bias)};
    }
    if (auto error = take_at(bias)) return std::move(*error);
    return bias;
  }
  const Word pages = Word{1} << std::clamp(options.random_bits, 12U, 28U);
  std::optional<LoadError> error;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const Word bias = (kPieBase + (random_word() % pages) * kPageSize) & ~(image.max_align() - 1);
    if (!fits(image, bias)) {
      return LoadError{Kind::out_of_range,
                       "the program is too large for the addresses below " + hex(abi::kGuestTop)};
    }
    error = take_at(bias);
    if (!error) return bias;
    if (error->kind != Kind::address_taken) break;
  }
  return std::move(*error);
}

}  // namespace

Outcome<MappedImage> map_image(const Image& image, int fd, const MapOptions& options) {
  Reservation reservation;
  const Outcome<Word> bias = choose_place(image, options, reservation);
  if (!bias) return bias.error();
  if (auto error = Placer(image, fd, *bias).place_all()) return std::move(*error);
  reservation.keep();
  MappedImage mapped;
  mapped.bias = *bias;
  mapped.start = image.start() + *bias;
  mapped.end = image.end() + *bias;
  mapped.entry = image.entry + *bias;
  mapped.phdr = image.phdr == 0 ? 0 : image.phdr + *bias;
  mapped.break_start = mapped.end;
  return mapped;
}

void unmap_image(const Image& image, const MappedImage& mapped) noexcept {
  // Ranges are recomputed rather than kept; segment by segment needs no memory.
  if (image.is_pie()) {
    munmap(pointer(mapped.start), mapped.end - mapped.start);
    return;
  }
  for (const Segment& s : image.segments) {
    munmap(pointer(page_down(s.vaddr)), page_up(s.end()) - page_down(s.vaddr));
  }
}

Outcome<MappedStack> map_stack(const StackOptions& options) {
  std::size_t size = options.size;
  if (size == 0) {
    rlimit limit{};
    const bool known = getrlimit(RLIMIT_STACK, &limit) == 0;
    size = known ? static_cast<std::size_t>(std::clamp<rlim_t>(limit.rlim_cur, kLeastStack, kMostStack))
                 : kLeastStack;
  }
  if (size > abi::kGuestTop / 2 ||
      (options.top && (*options.top % kPageSize != 0 || *options.top > abi::kGuestTop ||
                       *options.top < page_up(size) + kPageSize))) {
    return LoadError{Kind::out_of_range, "no place for a stack of " + std::to_string(size) + " bytes"};
  }
  size = static_cast<std::size_t>(page_up(size));
  const unsigned prot = kRead | kWrite | (options.executable ? kExec : 0);
  int error = 0;
  Word top = 0;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    top = options.top.value_or(abi::kGuestTop - kStackGap - (random_word() % kStackRandomPages) * kPageSize);
    const Word base = top - size;
    error = reserve(base - kPageSize, size + kPageSize);
    if (error == 0) {
      if (mprotect(pointer(base), size, static_cast<int>(prot)) == 0) return MappedStack{base, top};
      error = errno;
      munmap(pointer(base - kPageSize), size + kPageSize);
    }
    if (error != EEXIST || options.top) break;
  }
  return mapping_error(error, top - size, top, "stack");
}

void unmap_stack(const MappedStack& stack) noexcept {
  munmap(pointer(stack.base - kPageSize), stack.size() + kPageSize);
}

Outcome<Word> map_code(Word address, std::span<const std::byte> code) {
  int error = code.size() > kPageSize ? E2BIG : reserve(address, kPageSize);
  if (error == 0 && mprotect(pointer(address), kPageSize, PROT_READ | PROT_WRITE) == 0) {
    std::memcpy(pointer(address), code.data(), code.size());
    if (mprotect(pointer(address), kPageSize, PROT_READ | PROT_EXEC) == 0) return address;
  }
  if (error == 0) {
    error = errno;
    munmap(pointer(address), kPageSize);
  }
  return mapping_error(error, address, address + kPageSize, "code for signal return");
}

Outcome<Word> map_empty_page(Word address) {
  const int error =
      try_map(address, kPageSize, PROT_READ, MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE);
  if (error == 0) return address;
  return mapping_error(error, address, address + kPageSize, "the page of the time");
}

void copy_to_stack(const MappedStack& stack, Word to, std::span<const std::byte> bytes) noexcept {
  // A mistake of the caller's must not write over the host.
  if (to < stack.base || to > stack.top || bytes.size() > stack.top - to) std::abort();
  if (!bytes.empty()) std::memcpy(pointer(to), bytes.data(), bytes.size());
}

}  // namespace sudrun::loader
