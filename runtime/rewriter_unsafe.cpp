#include "runtime/rewriter.hpp"

#include <fcntl.h>
#include <linux/membarrier.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <algorithm>
#include <bitset>
#include <charconv>
#include <cstring>
#include <mutex>
#include <new>
#include <string_view>

#include "runtime/call_sites.hpp"
#include "runtime/gate.hpp"

namespace sudrun::runtime {
namespace {

using abi::Word;
using loader::CodeEdit;
using loader::kStubSize;
using loader::RewritePlan;
using loader::Rung;

constexpr Word kPage = 4096;
constexpr Word kAreaSize = 64 * 1024;
constexpr unsigned kMaxAreas = 64, kMaxPatches = 2048;
constexpr Word kReach = Word{1} << 31;
constexpr Word kLowest = 64 * 1024;  // the usual vm.mmap_min_addr
constexpr Word kWindow = 512;

constexpr std::uint64_t kCode = PROT_READ | PROT_EXEC;

bool overlap(Word a, Word a_end, Word b, Word b_end) noexcept { return a < b_end && b < a_end; }

/// All threads of the process see code that was written before as it is now.
void synchronise_code() noexcept {
  constexpr std::uint64_t kRegister = MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE,
                          kSync = MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE;
  if (native(SYS_membarrier, kSync) == 0) return;
  native(SYS_membarrier, kRegister);
  native(SYS_membarrier, kSync);
}

/// Makes code writable for a scope; it stays executable all the while. False: the system does not allow it.
class Writable {
 public:
  Writable(Word address, Word size) noexcept
      : start_(address & ~(kPage - 1)), size_(((address + size + kPage - 1) & ~(kPage - 1)) - start_) {
    given_ = native(SYS_mprotect, start_, size_, kCode | PROT_WRITE) == 0;
  }
  ~Writable() {
    if (given_) native(SYS_mprotect, start_, size_, kCode);
  }
  Writable(const Writable&) = delete;
  Writable& operator=(const Writable&) = delete;
  explicit operator bool() const noexcept { return given_; }

 private:
  Word start_, size_;
  bool given_;
};

std::byte* code_at(Word address) noexcept { return reinterpret_cast<std::byte*>(address); }

/// One store for bytes within a line, so that no other processor ever executes a part of them.
void store_edit(const CodeEdit& edit, const std::array<std::byte, 8>& bytes) noexcept {
  if (edit.size == sizeof(std::uint16_t)) {
    std::uint16_t pair = 0;
    std::memcpy(&pair, bytes.data(), sizeof pair);
    asm volatile("movw %1, %0" : "=m"(*code_at(edit.address)) : "r"(pair) : "memory");
    return;
  }
  const Word at = edit.store_address();
  std::uint64_t whole = 0;
  std::memcpy(&whole, code_at(at), sizeof whole);
  std::memcpy(reinterpret_cast<std::byte*>(&whole) + (edit.address - at), bytes.data(), edit.size);
  asm volatile("movq %1, %0" : "=m"(*code_at(at)) : "r"(whole) : "memory");
}

/// The bytes of the edit as it was made still stand there: nobody has put other memory in their place.
bool stands(const CodeEdit& edit) noexcept {
  std::array<std::byte, 8> now{};
  return sudrun_copy(now.data(), code_at(edit.address), edit.size) == 0 &&
         std::equal(now.begin(), now.begin() + edit.size, edit.after.begin());
}

bool write_edit(const CodeEdit& edit, const std::array<std::byte, 8>& bytes, bool dead) noexcept {
  const Writable writable(edit.address, edit.size);
  if (!writable) return false;
  if (dead)
    std::memcpy(code_at(edit.address), bytes.data(), edit.size);
  else
    store_edit(edit, bytes);
  return true;
}

/// One line of /proc/self/maps at a time.
class MapsFile {
 public:
  MapsFile() noexcept
      : fd_(static_cast<int>(native(SYS_openat, static_cast<Word>(AT_FDCWD), word("/proc/self/maps"),
                                    O_RDONLY | O_CLOEXEC))) {}
  ~MapsFile() {
    if (fd_ >= 0) native(SYS_close, static_cast<Word>(fd_));
  }
  MapsFile(const MapsFile&) = delete;
  MapsFile& operator=(const MapsFile&) = delete;

  /// The next line; valid until the next is asked for. False at the end.
  bool next(std::string_view& line) noexcept {
    for (;;) {
      const std::string_view rest(text_.data() + at_, end_ - at_);
      if (const std::size_t newline = rest.find('\n'); newline != std::string_view::npos) {
        line = rest.substr(0, newline);
        at_ += newline + 1;
        return true;
      }
      std::memmove(text_.data(), text_.data() + at_, end_ - at_);
      end_ -= at_;
      at_ = 0;
      if (fd_ < 0 || end_ == text_.size()) return false;
      const auto got =
          native(SYS_read, static_cast<Word>(fd_), word(text_.data() + end_), text_.size() - end_);
      if (got <= 0) return false;
      end_ += static_cast<std::size_t>(got);
    }
  }

 private:
  int fd_;
  std::size_t at_ = 0, end_ = 0;
  std::array<char, 8192> text_;  // a line has a path, of PATH_MAX at most
};

}  // namespace

/// Room for stubs. The first line holds the dispatcher's address.
struct Rewriter::Area {
  Word start = 0;
  std::bitset<kAreaSize / kStubSize> used;
};

/// Zeroed memory for kMaxPatches elements, which costs nothing until it is used.
template <typename T>
struct Table {
  Table() noexcept {
    void* mapped =
        mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    room = mapped != MAP_FAILED ? static_cast<T*>(mapped) : nullptr;
  }
  ~Table() {
    if (room != nullptr) munmap(room, kSize);
  }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;
  std::span<T> first(unsigned count) const noexcept { return {room, count}; }
  T& operator[](unsigned index) const noexcept { return room[index]; }

  static constexpr std::size_t kSize = kMaxPatches * sizeof(T);
  T* room = nullptr;
};

struct Rewriter::Books {
  loader::Disassembler disassembler;
  std::atomic<unsigned> area_count{0}, patch_count{0};
  std::array<unsigned, 4> by_rung{};
  std::array<Area, kMaxAreas> areas;
  // Elements are made where they are used first. Filled up only; those of sites put back stay.
  Table<Patch> patches;
  Table<std::pair<std::uint64_t, std::uint64_t>> hops;  ///< what plan_rewrite() asks for

  bool complete() const noexcept { return patches.room && hops.room; }
};

Rewriter::~Rewriter() { delete books_.load(); }

bool Rewriter::prepare() noexcept {
  if (books_.load(std::memory_order_relaxed) != nullptr) return true;
  std::unique_ptr<Books> books(new (std::nothrow) Books);
  if (!books || !books->complete()) return false;
  books_.store(books.release(), std::memory_order_release);
  return true;
}

bool Rewriter::consider(abi::Host& host, const Site& site) noexcept {
  const std::unique_lock hold(lock_, std::try_to_lock);
  if (!hold) return false;  // another thread is at it, and the first time takes long
  if (changes_.load(std::memory_order_acquire) != 0) return false;
  if (!prepare()) return true;
  Books& books = *books_;
  const unsigned index = books.patch_count.load(std::memory_order_relaxed);
  if (index == kMaxPatches) return true;
  const Mapping mapping = code_mapping(site.address);
  const auto patch = mapping.start != 0 ? rewrite(host, mapping, site) : std::nullopt;
  const Rung rung = patch && apply(*patch) ? patch->rung : Rung::none;
  ++books.by_rung[static_cast<unsigned>(rung)];
  return true;
}

/// The mapping that holds `address`, if it is code to be rewritten: private, readable, executable and not
/// writable. Its `start` is 0 if not.
Rewriter::Mapping Rewriter::code_mapping(Word address) noexcept {
  MapsFile maps;
  std::string_view line;
  while (maps.next(line)) {
    Mapping mapping;
    const char* const end = line.data() + line.size();
    const auto first = std::from_chars(line.data(), end, mapping.start, 16);
    if (first.ec != std::errc() || first.ptr == end) continue;
    const auto second = std::from_chars(first.ptr + 1, end, mapping.end, 16);
    if (second.ec != std::errc() || address < mapping.start || address >= mapping.end) continue;
    const std::string_view rights(second.ptr, static_cast<std::size_t>(end - second.ptr));
    return rights.starts_with(" r-xp") ? mapping : Mapping{};
  }
  return {};
}

namespace {

/// Where a function begins that the site may be in: the nearest before it that has been called, by distance,
/// from somewhere that a word of the stack is the address behind of. Words of earlier calls are as good.
std::optional<Word> called_before(abi::Host& host, const Rewriter::Site& site) noexcept {
  constexpr std::byte kCall{0xe8};
  constexpr Word kCallSize = 5, kDepth = 512;
  std::optional<Word> nearest;
  for (Word at = site.stack; at < site.stack + kDepth; at += sizeof(Word)) {
    Word behind = 0;
    if (!host.get(abi::guest_addr(at), behind)) break;
    if (behind - site.address + kReach >= 2 * kReach) continue;
    std::array<std::byte, kCallSize> call;
    if (!host.read(abi::guest_addr(behind - kCallSize), call.data(), call.size()) || call[0] != kCall)
      continue;
    std::int32_t distance = 0;
    std::memcpy(&distance, &call[1], sizeof distance);
    const Word entry = behind + static_cast<Word>(std::int64_t{distance});
    if (entry <= site.address && entry >= nearest.value_or(site.address - kWindow)) nearest = entry;
  }
  return nearest;
}

}  // namespace

std::optional<Rewriter::Patch> Rewriter::rewrite(abi::Host& host, const Mapping& mapping,
                                                 const Site& site) noexcept {
  Books& books = *books_;
  const Word start = std::max(mapping.start, site.address - std::min(site.address, kWindow));
  const Word end = std::min(mapping.end, site.address + kWindow);
  std::array<std::byte, 2 * kWindow> bytes;
  const std::span<std::byte> window(bytes.data(), end - start);
  if (!host.read(abi::guest_addr(start), window.data(), window.size())) return std::nullopt;
  // What the program itself has there.
  const auto own = [&](const CodeEdit& edit) {
    for (unsigned i = 0; i < edit.size; ++i)
      if (edit.address + i >= start && edit.address + i < end)
        window[edit.address + i - start] = edit.before[i];
  };
  const unsigned count = books.patch_count.load(std::memory_order_relaxed);
  unsigned hops = 0;
  for (const Patch& patch : books.patches.first(count)) {
    if (patch.live) own(patch.rewrite.site);
    if (!patch.hop_live) continue;
    own(*patch.rewrite.hop);
    books.hops[hops++] = {patch.rewrite.hop->address, patch.rewrite.hop->address + patch.rewrite.hop->size};
  }
  const RewritePlan plan =
      loader::plan_rewrite(books.disassembler, {start, window}, site.address, site.number,
                           called_before(host, site), books.hops.first(hops));
  if (plan.rung == Rung::none) return std::nullopt;
  // From the first byte that changes to the end of what was moved. Two sites may be that close.
  Word touched_end = site.address + kSyscallSize;
  if (plan.copied_count != 0) {
    const RewritePlan::Copied& last = plan.copied[plan.copied_count - 1];
    touched_end = std::max(touched_end, last.address + last.size);
  }
  for (const Patch& patch : books.patches.first(count))
    if (patch.live && overlap(plan.edit, touched_end, patch.touched, patch.touched_end)) return std::nullopt;
  const auto made = place(plan, mapping);
  if (!made) return std::nullopt;
  return Patch{*made, plan.edit, touched_end, plan.rung, true, made->hop.has_value()};
}

/// Finds a stub the plan accepts, in an area there is or in a new one.
std::optional<loader::Rewrite> Rewriter::place(const RewritePlan& plan, const Mapping& mapping) noexcept {
  Books& books = *books_;
  const auto in_area = [&](Area& area) -> std::optional<loader::Rewrite> {
    auto at = plan.stub_at_or_after(area.start + kStubSize);
    while (at && *at < area.start + kAreaSize) {
      const Word slot = (*at - area.start) / kStubSize;
      if (!area.used[slot] && plan.accepts(*at)) {
        auto made = loader::encode(books.disassembler, plan, *at, area.start);
        if (made) area.used[slot] = true;
        return made;
      }
      at = plan.stub_at_or_after(*at + kStubSize);
    }
    return std::nullopt;
  };
  const unsigned count = books.area_count.load(std::memory_order_relaxed);
  for (unsigned i = 0; i < count; ++i)
    if (auto made = in_area(books.areas[i])) return made;
  Area* const area = new_area(plan, mapping);
  return area != nullptr ? in_area(*area) : std::nullopt;
}

/// Below the mapping if possible: above it lie a program's data and its break.
Rewriter::Area* Rewriter::new_area(const RewritePlan& plan, const Mapping& mapping) noexcept {
  Books& books = *books_;
  const unsigned index = books.area_count.load(std::memory_order_relaxed);
  if (index == kMaxAreas) return nullptr;
  constexpr Word kStep = 16 * kAreaSize;
  constexpr int kTries = 1024;
  const auto map_at = [&](Word at) {
    if (at < kLowest || at > abi::kGuestTop - kAreaSize) return false;
    const Word distance = at > plan.near() ? at + kAreaSize - plan.near() : plan.near() - at;
    if (distance >= kReach) return false;
    const auto got = native(SYS_mmap, at, kAreaSize, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, ~Word{0}, 0);
    if (abi::is_error(got)) return false;
    if (static_cast<Word>(got) == at) return true;
    native(SYS_munmap, static_cast<Word>(got), kAreaSize);  // a kernel that took it as a hint
    return false;
  };
  const Word below = (mapping.start & ~(kAreaSize - 1)) - kAreaSize;
  const Word above = (mapping.end + kAreaSize - 1) & ~(kAreaSize - 1);
  for (int i = 1; i <= kTries; ++i) {
    const Word step = static_cast<Word>(i) * kStep;
    const Word at = step < below && map_at(below - step) ? below - step
                    : map_at(above + step)               ? above + step
                                                         : 0;
    if (at == 0) continue;
    const Word dispatcher = reinterpret_cast<Word>(&sudrun_site_entry);
    std::memcpy(code_at(at), &dispatcher, sizeof dispatcher);
    if (native(SYS_mprotect, at, kAreaSize, kCode) != 0) {
      native(SYS_munmap, at, kAreaSize);
      return nullptr;
    }
    Area* const area = new (&books.areas[index]) Area;
    area->start = at;
    area->used[0] = true;
    books.area_count.store(index + 1, std::memory_order_release);
    return area;
  }
  return nullptr;
}

/// Stub, then hop, then site: whoever comes by the site finds the rest in place.
bool Rewriter::apply(const Patch& patch) noexcept {
  const loader::Rewrite& rewrite = patch.rewrite;
  Books& books = *books_;
  {
    const Writable writable(rewrite.stub_address, rewrite.stub_size);
    if (!writable) return false;
    std::memcpy(code_at(rewrite.stub_address), rewrite.stub.data(), rewrite.stub_size);
  }
  // Known before it is run into.
  const unsigned index = books.patch_count.load(std::memory_order_relaxed);
  new (&books.patches[index]) Patch(patch);
  books.patch_count.store(index + 1, std::memory_order_release);
  if (rewrite.hop && !write_edit(*rewrite.hop, rewrite.hop->after, true)) {
    books.patches[index].live = books.patches[index].hop_live = false;
    return false;
  }
  synchronise_code();
  if (!write_edit(rewrite.site, rewrite.site.after, false)) {
    books.patches[index].live = false;
    return false;
  }
  if (perf_map_.wanted()) tell_perf(index);
  return true;
}

/// After a fork the child has its parent's stubs, which its own file is to have as well.
void Rewriter::tell_perf(unsigned newest) noexcept {
  constexpr std::array<const char*, 4> kHow{"none", "padding", "load", "relocation"};
  const unsigned first = perf_map_.begins() ? 0 : newest;
  for (const Patch& patch : books_.load()->patches.first(newest + 1).subspan(first))
    perf_map_.add(patch.rewrite.stub_address, patch.rewrite.stub_size, patch.rewrite.resume - kSyscallSize,
                  kHow[static_cast<unsigned>(patch.rung)]);
}

/// After that nobody new comes by its hop. Somebody may still be there.
void Rewriter::undo_site(Patch& patch) noexcept {
  if (patch.live && stands(patch.rewrite.site))
    write_edit(patch.rewrite.site, patch.rewrite.site.before, false);
  patch.live = false;
}

/// Those of which bytes in [start, end) belong to the site or the hop.
template <typename Do>
void Rewriter::for_patches_in(Word start, Word end, Do todo) noexcept {
  Books* const books = books_.load(std::memory_order_relaxed);
  if (books == nullptr) return;
  const unsigned patches = books->patch_count.load(std::memory_order_relaxed);
  for (Patch& patch : books->patches.first(patches)) {
    if (!patch.live && !patch.hop_live) continue;
    // The stub stands for more than the bytes edited: up to the end of the last instruction moved.
    const bool site = overlap(start, end, patch.touched, patch.touched_end);
    const auto& hop = patch.rewrite.hop;
    if (site || (patch.hop_live && overlap(start, end, hop->address, hop->address + hop->size))) todo(patch);
  }
}

Rewriter::Change Rewriter::begin_change(Word start, Word end) noexcept {
  const std::scoped_lock hold(lock_);
  if (stubs_in(start, end).first != end) return Change::refused;
  Change change = Change::untouched;
  for_patches_in(start, end, [&](Patch& patch) {
    undo_site(patch);
    change = patch.hop_live || change == Change::hops_left ? Change::hops_left : Change::undone;
  });
  if (change == Change::hops_left) synchronise_code();
  changes_.fetch_add(1, std::memory_order_release);
  return change;
}

void Rewriter::remove_hops(Word start, Word end) noexcept {
  const std::scoped_lock hold(lock_);
  for_patches_in(start, end, [](Patch& patch) {
    if (patch.hop_live && stands(*patch.rewrite.hop))
      write_edit(*patch.rewrite.hop, patch.rewrite.hop->before, true);
    patch.hop_live = false;
  });
}

std::pair<Word, Word> Rewriter::stubs_in(Word start, Word end) const noexcept {
  std::pair<Word, Word> lowest{end, end};
  if (const Books* const books = books_.load(std::memory_order_acquire)) {
    const unsigned areas = books->area_count.load(std::memory_order_acquire);
    for (unsigned i = 0; i < areas; ++i) {
      const Word from = books->areas[i].start, to = from + kAreaSize;
      if (overlap(start, end, from, to) && from < lowest.first)
        lowest = {std::max(from, start), std::min(to, end)};
    }
  }
  return lowest;
}

const Rewriter::Patch* Rewriter::patch_of_stub(Word address) const noexcept {
  const Books* const books = books_.load(std::memory_order_acquire);
  if (books == nullptr) return nullptr;
  const unsigned areas = books->area_count.load(std::memory_order_acquire);
  const auto inside = [&](const Area& area) {
    return address >= area.start && address < area.start + kAreaSize;
  };
  if (std::none_of(books->areas.begin(), books->areas.begin() + areas, inside)) return nullptr;
  const unsigned patches = books->patch_count.load(std::memory_order_acquire);
  for (const Patch& patch : books->patches.first(patches))
    if (address - patch.rewrite.stub_address < kStubSize) return &patch;
  return nullptr;
}

std::optional<Rewriter::Place> Rewriter::program_place(Word rip) const noexcept {
  const Books* const books = books_.load(std::memory_order_acquire);
  if (books == nullptr) return std::nullopt;
  if (const Patch* const patch = patch_of_stub(rip)) {
    const loader::Rewrite& made = patch->rewrite;
    for (unsigned i = 0; i < made.mark_count; ++i)
      if (made.stub_address + made.marks[i].offset == rip)
        return Place{made.marks[i].guest, made.resume, made.continuation};
    return std::nullopt;
  }
  const unsigned patches = books->patch_count.load(std::memory_order_acquire);
  for (const Patch& patch : books->patches.first(patches))
    if (patch.hop_live && patch.rewrite.hop->address == rip)
      return Place{patch.rewrite.resume - kSyscallSize, patch.rewrite.resume, patch.rewrite.continuation};
  return std::nullopt;
}

void Rewriter::withdraw(Word rip) noexcept {
  const auto place = program_place(rip);
  if (!place) return;
  const std::scoped_lock hold(lock_);
  const unsigned patches = books_.load()->patch_count.load(std::memory_order_relaxed);
  for (Patch& patch : books_.load()->patches.first(patches))
    if (patch.live && patch.rewrite.resume == place->resume) undo_site(patch);
}

Word Rewriter::resume_address(Word continuation) const noexcept {
  const Patch* const patch = patch_of_stub(continuation);
  return patch != nullptr ? patch->rewrite.resume : continuation;
}

std::optional<Word> Rewriter::forward(Word address) const noexcept {
  const Books* const books = books_.load(std::memory_order_acquire);
  if (books == nullptr) return std::nullopt;
  const unsigned patches = books->patch_count.load(std::memory_order_acquire);
  bool ours = false;
  for (const Patch& patch : books->patches.first(patches)) {
    const auto to = patch.rewrite.forward(address);
    if (to && patch.live) return to;
    ours = ours || to;
  }
  // Another thread may have put the program's own instruction back between the trap and now. Then that is
  // what comes next; if it is an int3 as well, this was it.
  constexpr std::byte kInt3{0xcc};
  std::byte now{};
  if (!ours || (sudrun_copy(&now, code_at(address), 1) == 0 && now == kInt3)) return std::nullopt;
  return address;
}

std::array<unsigned, 4> Rewriter::counts() const noexcept {
  const Books* const books = books_.load(std::memory_order_acquire);
  return books != nullptr ? books->by_rung : std::array<unsigned, 4>{};
}

}  // namespace sudrun::runtime
