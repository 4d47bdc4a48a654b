#include "loader/rewrite.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "loader/relocate.hpp"

namespace sudrun::loader {
namespace {

constexpr std::uint64_t kTop = std::uint64_t{1} << 47;  // user addresses lie below
constexpr unsigned kSyscallSize = 2;
constexpr unsigned kLongest = 15;   // bytes of an instruction
constexpr unsigned kTailSize = 13;  // of the two instructions that lead to the dispatcher
constexpr unsigned kMostCopied = kStubSize - kTailSize;
constexpr std::byte kInt3{0xcc};

bool fits_line(std::uint64_t address, unsigned size) noexcept { return address % 64 + size <= 64; }

bool overlaps(std::span<const std::pair<std::uint64_t, std::uint64_t>> ranges, std::uint64_t start,
              std::uint64_t end) noexcept {
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const auto& range) { return range.first < end && start < range.second; });
}

constexpr std::uint32_t kSign = std::uint32_t{1} << 31;

/// The lowest number from `from` on with `value` in the bits of `mask`.
std::optional<std::uint32_t> next_with_bits(std::uint32_t from, std::uint32_t mask,
                                            std::uint32_t value) noexcept {
  const std::uint32_t wrong = std::bit_floor((from ^ value) & mask);  // the highest
  if (wrong == 0) return from;
  const std::uint32_t below = wrong | (wrong - 1);
  std::uint32_t free = from & ~mask & ~below;
  if ((from & wrong) != 0) {  // must become less there: more above
    const std::uint64_t more = std::uint64_t{free | mask | below} + 1;
    if (more >> 32 != 0) return std::nullopt;
    free = static_cast<std::uint32_t>(more) & ~mask;
  }
  return free | value;
}

/// What is asked for, and what is known.
struct Question {
  Disassembler& disassembler;
  const CodeWindow& window;
  const KnownCode& known;
  std::uint64_t site;
};

template <std::size_t N>
void copy_code(const CodeWindow& window, std::uint64_t address, std::size_t size,
               std::array<std::byte, N>& out) noexcept {
  std::memcpy(out.data(), window.from(address, size).data(), size);
}

bool use_padding(const Question& q, std::span<const std::pair<std::uint64_t, std::uint64_t>> taken,
                 RewritePlan& plan) noexcept {
  if (!fits_line(q.site, kSyscallSize)) return false;
  // Ascending: sites that share padding use it up from its beginning.
  const std::uint64_t jump_end = q.site + kSyscallSize;
  for (std::uint64_t hop = std::max<std::uint64_t>(jump_end, 128) - 128; hop <= jump_end + 127; ++hop) {
    bool usable = q.window.holds(hop, kJumpSize);
    for (std::uint64_t at = hop; at < hop + kJumpSize && usable; ++at) {
      // Even in the midst of padding a function may begin at an aligned address, with an int3 of its own.
      usable = at % 16 != 0 && q.known.is_dead(at);
    }
    if (!usable || overlaps(taken, hop, hop + kJumpSize)) continue;
    plan.rung = Rung::padding;
    plan.edit = q.site;
    plan.hop = hop;
    copy_code(q.window, q.site, kSyscallSize, plan.code);
    copy_code(q.window, hop, kJumpSize, plan.hop_code);
    return true;
  }
  return false;
}

/// An instruction begins at `address`: either that is known, or no instruction that begins before it holds
/// its first byte, wherever decoding starts.
bool surely_begins(const Question& q, std::uint64_t address) noexcept {
  if (q.known.begins(address)) return true;
  if (address < kLongest - 1 || !q.window.holds(address - (kLongest - 1), kLongest - 1)) return false;
  for (std::uint64_t start = address - (kLongest - 1); start < address; ++start) {
    const auto instruction = q.disassembler.decode(q.window.from(start), start);
    if (instruction && start + instruction->size > address) return false;
  }
  return true;
}

bool stands_at(const CodeWindow& window, std::uint64_t address,
               std::initializer_list<unsigned> code) noexcept {
  if (!window.holds(address, code.size())) return false;
  const auto bytes = window.from(address, code.size());
  return std::equal(code.begin(), code.end(), bytes.begin(),
                    [](unsigned value, std::byte b) { return std::byte(value) == b; });
}

/// `mov $number,%eax` (five bytes) or `mov $number,%rax` (seven) stands at `address`.
bool loads(const CodeWindow& window, std::uint64_t address, unsigned size,
           std::optional<std::uint32_t> number) noexcept {
  if (!window.holds(address, size)) return false;
  if (!(size == 5 ? stands_at(window, address, {0xb8}) : stands_at(window, address, {0x48, 0xc7, 0xc0})))
    return false;
  std::uint32_t loaded = 0;
  std::memcpy(&loaded, window.from(address, size).last(sizeof loaded).data(), sizeof loaded);
  return !number || *number == loaded;
}

/// `mov %rcx,%r10`, which C libraries put between the load and the call.
bool saves_rcx(const CodeWindow& window, std::uint64_t address) noexcept {
  return stands_at(window, address, {0x49, 0x89, 0xca});
}

/// The size of the instruction that surely begins before `end` and ends there, or 0.
unsigned size_before(const Question& q, std::uint64_t end, std::optional<std::uint32_t> number) noexcept {
  for (unsigned size = 1; size <= kLongest && size <= end; ++size) {
    if (!q.known.begins(end - size)) continue;
    const auto instruction = q.disassembler.decode(q.window.from(end - size), end - size);
    if (instruction && instruction->size == size) return size;
  }
  for (const unsigned size : {5U, 7U}) {
    if (loads(q.window, end - size, size, number) && surely_begins(q, end - size)) return size;
  }
  // Nothing is sure of this one yet. It will be if the one before it is.
  return end == q.site && saves_rcx(q.window, end - 3) ? 3 : 0;
}

bool use_load(const Question& q, std::optional<std::uint32_t> number, RewritePlan& plan) noexcept {
  RewritePlan found = plan;
  std::uint64_t at = q.site;
  for (std::size_t n = found.copied.size(); n-- > 0;) {
    const unsigned size = size_before(q, at, number);
    if (size == 0 || q.known.is_target(at) || q.site - at + size > kMostCopied) return false;
    at -= size;
    const auto instruction = q.disassembler.decode(q.window.from(at), at);
    if (!instruction || instruction->size != size || instruction->is_relative_branch ||
        instruction->ends_flow || !can_relocate(*instruction, q.window.from(at))) {
      return false;
    }
    found.copied[n] = {at, size, std::nullopt};
    ++found.copied_count;
    bool entered = false;  // in its midst
    for (std::uint64_t inside = at + 1; inside < at + size; ++inside) {
      entered = entered || q.known.may_begin(inside) || q.known.is_target(inside);
    }
    if (entered) return false;
    if (size < kJumpSize || !fits_line(at, kJumpSize)) continue;
    std::rotate(found.copied.begin(), found.copied.begin() + static_cast<std::ptrdiff_t>(n),
                found.copied.end());
    found.rung = Rung::load;
    found.edit = at;
    copy_code(q.window, at, static_cast<std::size_t>(q.site - at), found.code);
    plan = found;
    return true;
  }
  return false;
}

bool use_relocation(const Question& q, RewritePlan& plan) noexcept {
  if (!fits_line(q.site, kJumpSize)) return false;
  RewritePlan found = plan;
  std::uint64_t at = q.site + kSyscallSize;
  bool flows = true;
  while (at < q.site + kJumpSize) {
    // A thread, or a jump, may come to each displaced instruction: there the jump has to have an int3.
    const unsigned shift = static_cast<unsigned>(at - q.site - 1) * 8;
    found.pun_mask |= 0xffU << shift;
    found.pun_value |= std::to_integer<std::uint32_t>(kInt3) << shift;
    const auto instruction = q.disassembler.decode(q.window.from(at), at);
    if (!flows || !instruction || !can_relocate(*instruction, q.window.from(at))) return false;
    found.copied[found.copied_count++] = {
        at, instruction->size,
        instruction->is_relative_branch ? std::optional(instruction->target) : std::nullopt};
    flows = !instruction->ends_flow;
    at += instruction->size;
  }
  // Known code that jumps here would trap each time; so would code that reads these bytes otherwise.
  for (std::uint64_t inside = q.site + 1; inside < at; ++inside) {
    const bool displaced = std::any_of(found.copied.begin(), found.copied.begin() + found.copied_count,
                                       [&](const auto& copied) { return copied.address == inside; });
    if (q.known.is_target(inside) || (q.known.may_begin(inside) && !displaced)) return false;
  }
  found.rung = Rung::relocation;
  found.edit = q.site;
  copy_code(q.window, q.site, at - q.site, found.code);
  if (!found.stub_at_or_after(0)) return false;
  plan = found;
  return true;
}

/// Puts instructions one after the other. A distance that does not fit makes it fail for good.
class Assembler {
 public:
  Assembler(std::uint64_t address, std::span<std::byte> out) noexcept : address_(address), out_(out) {}

  std::uint64_t here() const noexcept { return address_ + size_; }
  unsigned size() const noexcept { return size_; }
  bool ok() const noexcept { return ok_; }
  void bytes(std::span<const std::byte> code) noexcept {
    if (code.size() > out_.size() - size_) {
      ok_ = false;
      return;
    }
    std::copy(code.begin(), code.end(), out_.begin() + size_);
    size_ += static_cast<unsigned>(code.size());
  }
  /// An instruction that ends with the 32-bit distance from its end to `target`.
  void relative(std::initializer_list<unsigned> opcode, std::uint64_t target) noexcept {
    std::array<std::byte, 8> code{};
    std::transform(opcode.begin(), opcode.end(), code.begin(), [](unsigned b) { return std::byte(b); });
    const std::size_t size = opcode.size() + 4;
    const auto distance = static_cast<std::int64_t>(target - (here() + size));
    const auto near = static_cast<std::int32_t>(distance);
    if (near != distance) ok_ = false;
    std::memcpy(code.data() + opcode.size(), &near, sizeof near);
    bytes(std::span(code).first(size));
  }
  void jump(std::uint64_t target) noexcept { relative({0xe9}, target); }
  /// lea value(%rip),%rcx
  void load_rcx(std::uint64_t value) noexcept { relative({0x48, 0x8d, 0x0d}, value); }
  /// jmp *slot(%rip)
  void jump_by(std::uint64_t slot) noexcept { relative({0xff, 0x25}, slot); }

 private:
  std::uint64_t address_;
  std::span<std::byte> out_;
  unsigned size_ = 0;
  bool ok_ = true;
};

void put_copy(Assembler& out, const RewritePlan& plan, const RewritePlan::Copied& copied) noexcept {
  const auto code =
      std::span(plan.code).subspan(static_cast<std::size_t>(copied.address - plan.edit), copied.size);
  if (!copied.target) return out.bytes(code);
  const auto condition = jump_condition(code);
  if (!condition) return out.jump(*copied.target);
  out.relative({0x0f, 0x80U | *condition}, *copied.target);
}

/// Builds the stub, and notes what its instructions stand for.
bool put_stub(const RewritePlan& plan, std::uint64_t dispatcher_slot, Rewrite& out) noexcept {
  Assembler stub(out.stub_address, out.stub);
  const auto mark = [&](std::uint64_t guest) { out.marks[out.mark_count++] = {stub.size(), guest}; };
  const auto copies = [&] {
    for (unsigned i = 0; i < plan.copied_count; ++i) {
      mark(plan.copied[i].address);
      put_copy(stub, plan, plan.copied[i]);
    }
  };
  const bool relocation = plan.rung == Rung::relocation;
  if (!relocation) copies();
  out.resume = plan.site + kSyscallSize;
  out.continuation = relocation ? out.stub_address + kTailSize : out.resume;
  mark(plan.site);
  stub.load_rcx(out.continuation);
  mark(plan.site);
  stub.jump_by(dispatcher_slot);
  if (relocation) {
    mark(out.resume);
    stub.load_rcx(out.resume);
    copies();
    const RewritePlan::Copied& last = plan.copied[plan.copied_count - 1];
    mark(last.address + last.size);
    stub.jump(last.address + last.size);
  }
  out.stub_size = stub.size();
  return stub.ok();
}

/// The edit is, to a disassembler as well, exactly a jump to `target`.
bool is_jump(Disassembler& disassembler, const CodeEdit& edit, std::uint64_t target) noexcept {
  const auto instruction = disassembler.decode(std::span(edit.after).first(edit.size), edit.address);
  return instruction && instruction->id == X86_INS_JMP && instruction->size == edit.size &&
         instruction->is_relative_branch && instruction->target == target;
}

/// The stub decodes to instructions that begin where they were put.
bool decodes(Disassembler& disassembler, const Rewrite& rewrite) noexcept {
  for (unsigned i = 0; i < rewrite.mark_count; ++i) {
    const unsigned at = rewrite.marks[i].offset;
    const unsigned end = i + 1 < rewrite.mark_count ? rewrite.marks[i + 1].offset : rewrite.stub_size;
    const auto instruction = disassembler.decode(std::span(rewrite.stub).first(rewrite.stub_size).subspan(at),
                                                 rewrite.stub_address + at);
    if (!instruction || instruction->size != end - at) return false;
  }
  return true;
}

}  // namespace

bool RewritePlan::accepts(std::uint64_t address) const noexcept {
  const auto distance = static_cast<std::int64_t>(address - near());
  if (rung == Rung::none || address % kStubSize != 0 || address > kTop - kStubSize) return false;
  return distance == static_cast<std::int32_t>(distance) &&
         (static_cast<std::uint32_t>(distance) & pun_mask) == pun_value;
}

std::optional<std::uint64_t> RewritePlan::stub_at_or_after(std::uint64_t from) const noexcept {
  constexpr std::uint64_t reach = std::uint64_t{1} << 31;
  const auto aligned = [](std::uint64_t a) { return (a + kStubSize - 1) & ~std::uint64_t{kStubSize - 1}; };
  if (rung == Rung::none || from > kTop) return std::nullopt;
  std::uint64_t address = aligned(std::max(from, near() < reach ? 0 : near() - reach));
  // What has to be there leaves out the lowest byte, so that a suitable distance at the beginning of its 256
  // stays suitable when it is aligned. Only one found in the midst of them may not.
  for (int tries = 0; tries < 2 && !accepts(address); ++tries) {
    const auto distance = static_cast<std::int64_t>(address - near());
    if (distance != static_cast<std::int32_t>(distance)) return std::nullopt;
    const auto next = next_with_bits(static_cast<std::uint32_t>(distance) ^ kSign, pun_mask,
                                     pun_value ^ (pun_mask & kSign));
    if (!next) return std::nullopt;
    const auto found = static_cast<std::int32_t>(*next ^ kSign);
    address = aligned(near() + static_cast<std::uint64_t>(std::int64_t{found}));
  }
  return accepts(address) ? std::optional(address) : std::nullopt;
}

std::optional<std::uint64_t> Rewrite::forward(std::uint64_t address) const noexcept {
  if (continuation == resume || address < resume || address >= site.address + site.size) return std::nullopt;
  for (unsigned i = 0; i < mark_count; ++i) {
    const std::uint64_t at = stub_address + marks[i].offset;
    if (at > continuation && marks[i].guest == address) return at;
  }
  return std::nullopt;
}

RewritePlan plan_rewrite(Disassembler& disassembler, const CodeWindow& window, std::uint64_t site,
                         std::optional<std::uint32_t> number, std::optional<std::uint64_t> entry,
                         std::span<const std::pair<std::uint64_t, std::uint64_t>> taken) noexcept {
  RewritePlan plan;
  plan.site = site;
  if (window.start >= kTop || window.bytes.size() > kTop - window.start) return plan;
  if (!stands_at(window, site, {0x0f, 0x05})) return plan;
  const KnownCode known(disassembler, window, site, entry);
  const Question question{disassembler, window, known, site};
  if (!use_padding(question, taken, plan) && !use_load(question, number, plan))
    use_relocation(question, plan);
  return plan;
}

std::optional<Rewrite> encode(Disassembler& disassembler, const RewritePlan& plan, std::uint64_t stub_address,
                              std::uint64_t dispatcher_slot) noexcept {
  if (!plan.accepts(stub_address)) return std::nullopt;
  Rewrite out;
  out.stub_address = stub_address;
  if (!put_stub(plan, dispatcher_slot, out) || !decodes(disassembler, out)) return std::nullopt;

  const auto jump = [&](std::uint64_t address, std::span<const std::byte> before) {
    CodeEdit edit{address, kJumpSize, {}, {}};
    std::copy_n(before.begin(), kJumpSize, edit.before.begin());
    Assembler(address, edit.after).jump(stub_address);
    return edit;
  };
  if (plan.rung != Rung::padding) {
    out.site = jump(plan.edit, plan.code);
    if (!is_jump(disassembler, out.site, stub_address)) return std::nullopt;
    return out;
  }
  out.hop = jump(plan.hop, plan.hop_code);
  out.site = {plan.site, kSyscallSize, {plan.code[0], plan.code[1]}, {}};
  out.site.after = {std::byte{0xeb}, std::byte(plan.hop - (plan.site + kSyscallSize))};
  if (!is_jump(disassembler, *out.hop, stub_address) || !is_jump(disassembler, out.site, plan.hop)) {
    return std::nullopt;
  }
  return out;
}

}  // namespace sudrun::loader
