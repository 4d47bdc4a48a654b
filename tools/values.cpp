#include "tools/values.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <tuple>
#include <utility>

namespace sudrun::tools {
namespace {

constexpr unsigned kMaxSteps = 5'000;  // of one question
constexpr unsigned kMaxDepth = 200;
constexpr std::size_t kMaxTerms = 256;

/// System V psABI 3.2.1: what a function need not keep. Go keeps nothing but the stack pointer and rbp.
constexpr std::uint32_t kCallClobbers = 1U << kRax | 1U << kRcx | 1U << kRdx | 1U << 9 | 1U << kRdi | 0xfU;
constexpr std::uint32_t kGoClobbers = 0xffffU & ~(1U << kRsp | 1U << kRbp);
constexpr std::uint32_t kSyscallClobbers = 1U << kRax | 1U << kRcx | 1U << kRdx | 1U << 3;

/// Functions of Go's runtime that do not return. Their names in the table of functions are always there.
constexpr std::array<std::string_view, 6> kGoEnds{"runtime.panic", "runtime.gopanic", "runtime.goPanic",
                                                  "runtime.throw", "runtime.fatal",   "runtime.abort"};

class Follower {
 public:
  Follower(Functions& functions, const FunctionInfo& function, bool is_go)
      : functions_(functions), function_(function), code_(functions.code(function)), is_go_(is_go) {}

  /// Everything `location` may be before instruction `index`.
  void before(std::size_t index, Location location, std::vector<Term>& out) {
    if (++depth_ > kMaxDepth) {
      add(out, unknown("the way is too long to follow", index));
      --depth_;
      return;
    }
    follow(index, location, out);
    --depth_;
  }

 private:
  static void add(std::vector<Term>& out, const Term& term) {
    const bool known = std::any_of(out.begin(), out.end(), [&](const Term& t) { return t.same(term); });
    if (!known && out.size() < kMaxTerms) out.push_back(term);
  }

  Term unknown(const char* why, std::size_t index) const {
    return {Term::Kind::unknown, 0, {}, why, code_.insns()[index].address};
  }
  Term constant(std::int64_t value, std::size_t index) const {
    return {Term::Kind::constant, static_cast<std::uint32_t>(value), {}, "", code_.insns()[index].address};
  }

  /// The call does not return, so that nothing comes from it.
  bool ends_here(const Insn& call) {
    if (call.target == 0) return false;
    const FunctionInfo* const callee = functions_.at(call.target);
    if (callee == nullptr || callee->start != call.target) return false;
    if (is_go_)
      return std::any_of(kGoEnds.begin(), kGoEnds.end(),
                         [&](std::string_view prefix) { return callee->name.starts_with(prefix); });
    if (callee == &function_) return false;
    constexpr Word kMaxLook = 4096;
    if (callee->end - callee->start > kMaxLook) return false;
    const FunctionCode& code = functions_.code(*callee);
    // Without a way back: no return, and no jump elsewhere.
    return std::all_of(code.insns().begin(), code.insns().end(),
                       [&](const Insn& insn) {
                         const bool returns = insn.id == X86_INS_RET || insn.id == X86_INS_RETF ||
                                              insn.id == X86_INS_RETFQ || insn.id == X86_INS_IRETQ;
                         const bool leaves =
                             (insn.id == X86_INS_JMP || insn.is_jump) && !code.index_of(insn.target);
                         return insn.size != 0 && !returns && !leaves;
                       }) &&
           !code.insns().empty() && has_end(code);
  }
  /// It does not run over into what follows.
  static bool has_end(const FunctionCode& code) {
    return std::any_of(code.insns().begin(), code.insns().end(),
                       [](const Insn& insn) { return insn.ends_flow; });
  }

  void follow(std::size_t index, Location location, std::vector<Term>& out) {
    const auto insns = code_.insns();
    for (;;) {
      if (++steps_ > kMaxSteps) return add(out, unknown("the way is too long to follow", index));
      const Insn& here = insns[index];
      const bool at_entry = here.address == code_.start();
      const auto jumps = code_.jumps_to(index);
      const bool joins = at_entry || !jumps.empty();
      if (joins) {
        const Place place{index, location.on_stack, location.reg, location.place.base, location.place.offset};
        const bool changed =
            std::any_of(outer_.begin(), outer_.end(), [&](const auto& seen) { return seen.contains(place); });
        if (changed) return add(out, unknown("it may change in a loop", index));
        if (!seen_.insert(place).second) return;
      }
      if (at_entry) {
        if (!location.on_stack || (location.place.base == 0 && location.place.offset >= 8))
          add(out, {Term::Kind::parameter, 0, location, "", here.address});
        else
          add(out, unknown("it is read from the stack before anything is written there", index));
      }
      // Go's functions begin anew after their stack has grown, with the same arguments.
      if (!(at_entry && is_go_))
        for (const std::uint32_t from : jumps) before(from, location, out);
      if (at_entry) return;
      const bool flows = index > 0 && insns[index - 1].size != 0 && !insns[index - 1].ends_flow &&
                         !(insns[index - 1].is_call && ends_here(insns[index - 1]));
      if (!flows) {
        if (jumps.empty()) add(out, unknown("it is not seen where this code is entered from", index));
        return;
      }
      --index;
      if (!step(index, location, out)) return;
    }
  }

  /// Goes back over instruction `index`. True: go on with `location`, which may have become another. False:
  /// the answer is in `out`.
  bool step(std::size_t index, Location& location, std::vector<Term>& out) {
    return location.on_stack ? step_on_stack(index, location, out) : step_register(index, location, out);
  }

  bool give_up(const char* why, std::size_t index, std::vector<Term>& out) {
    add(out, unknown(why, index));
    return false;
  }

  /// The value is that of `operand` before instruction `index`.
  bool take(std::size_t index, const Operand& operand, Location& location, std::vector<Term>& out) {
    switch (operand.kind) {
      case Operand::Kind::imm:
        add(out, constant(operand.value, index));
        return false;
      case Operand::Kind::reg:
        if (operand.reg > kRsp || operand.size < 4) return give_up("it is a part of a register", index, out);
        location = Location::of(operand.reg);
        return true;
      case Operand::Kind::mem: {
        const Insn& insn = code_.insns()[index];
        if (operand.plain && operand.reg == kRip && operand.size >= 4) {
          if (const auto value = functions_.constant_at(insn.next() + static_cast<Word>(operand.value))) {
            add(out, constant(*value, index));
            return false;
          }
          return give_up("it is kept in a variable", index, out);
        }
        const StackPlace place = code_.place_of(index, operand);
        if (!place.known() || operand.size < 4) return give_up("it is read from memory", index, out);
        location = Location::of(place);
        return true;
      }
      default:
        return give_up("it is not followed through this instruction", index, out);
    }
  }

  /// Adds what `change` makes of the values before the instruction.
  template <typename Change>
  bool map(std::size_t index, Location location, std::vector<Term>& out, Change change, bool is_sum = false) {
    // To come by where one has been is to go in a circle, in which the value changes.
    std::vector<Term> values;
    outer_.push_back(std::exchange(seen_, {}));
    before(index, location, values);
    seen_ = std::move(outer_.back());
    outer_.pop_back();
    for (Term& term : values) {
      if (term.kind == Term::Kind::constant || (term.kind == Term::Kind::parameter && is_sum))
        term.value = change(term.value);
      else if (term.kind == Term::Kind::parameter)
        term = unknown("it is computed from an argument", index);
      add(out, term);
    }
    return false;
  }

  bool step_register(std::size_t index, Location& location, std::vector<Term>& out);
  bool arithmetic(std::size_t index, Location& location, std::vector<Term>& out);
  bool step_on_stack(std::size_t index, Location& location, std::vector<Term>& out);

  Functions& functions_;
  const FunctionInfo& function_;
  const FunctionCode& code_;
  bool is_go_;
  unsigned steps_ = 0, depth_ = 0;
  /// Where ways meet, and what was looked for there.
  using Place = std::tuple<std::size_t, bool, std::uint8_t, std::uint32_t, std::int64_t>;
  std::set<Place> seen_;
  std::vector<std::set<Place>> outer_;  ///< of the ways up to each change of the value
};

bool Follower::step_register(std::size_t index, Location& location, std::vector<Term>& out) {
  const Insn& insn = code_.insns()[index];
  const std::uint8_t reg = location.reg;
  const std::uint32_t bit = std::uint32_t{1} << reg;
  if (insn.is_call) {
    if (((is_go_ ? kGoClobbers : kCallClobbers) & bit) == 0) return true;
    return give_up("a function called before may have changed it", index, out);
  }
  if (insn.is_syscall) {
    if ((kSyscallClobbers & bit) == 0) return true;
    return give_up("it is what an earlier call has returned", index, out);
  }
  const Operand& to = insn.operands[0];
  const Operand& from = insn.operands[1];
  const auto whole = [&](const Operand& o) { return o.is_register(reg) && o.size >= 4; };
  switch (insn.id) {
    case X86_INS_MOV:
    case X86_INS_MOVABS:
      if (whole(to)) return take(index, from, location, out);
      if (!to.is_register(reg)) return true;
      if (from.kind != Operand::Kind::imm) break;
      {
        const unsigned shift = to.high ? 8 : 0;
        const std::uint32_t mask = (to.size == 1 ? 0xffU : 0xffffU) << shift;
        const auto low = static_cast<std::uint32_t>(from.value) << shift;
        return map(index, location, out, [&](std::uint32_t v) { return (v & ~mask) | (low & mask); });
      }
    case X86_INS_MOVSXD:
      if (whole(to)) return take(index, from, location, out);
      break;
    case X86_INS_MOVZX:
      if (!whole(to)) break;
      if (from.kind == Operand::Kind::reg && from.reg <= kRsp && !from.high && from.size < 4) {
        const std::uint32_t mask = from.size == 1 ? 0xffU : 0xffffU;
        return map(index, Location::of(from.reg), out, [&](std::uint32_t v) { return v & mask; });
      }
      break;
    case X86_INS_POP:
      if (to.is_register(reg)) {
        const StackPlace top = code_.stack(index).rsp;
        location = Location::of(top);
        return true;
      }
      return true;
    case X86_INS_XCHG:
      if (whole(to) && from.kind == Operand::Kind::reg) return take(index, from, location, out);
      if (whole(from) && to.kind == Operand::Kind::reg) return take(index, to, location, out);
      if (to.is_register(reg) || from.is_register(reg)) break;
      return true;
    case X86_INS_CDQE:  // the low half stays
      return true;
    case X86_INS_LEA:
      if (!whole(to)) break;
      if (from.plain && from.reg <= kRsp && from.reg != kRsp) {
        const auto distance = static_cast<std::uint32_t>(from.value);
        return map(
            index, Location::of(from.reg), out, [&](std::uint32_t v) { return v + distance; }, true);
      }
      if (from.plain && from.reg == kNoRegister) {
        add(out, constant(from.value, index));
        return false;
      }
      break;
    default:
      return arithmetic(index, location, out);
  }
  if (!to.is_register(reg) && !(insn.writes & bit)) return true;
  return give_up("it is computed", index, out);
}

bool Follower::arithmetic(std::size_t index, Location& location, std::vector<Term>& out) {
  const Insn& insn = code_.insns()[index];
  const std::uint8_t reg = location.reg;
  const Operand& to = insn.operands[0];
  const Operand& from = insn.operands[1];
  const bool named = to.is_register(reg) && to.written;
  const bool also = (insn.operands[1].is_register(reg) && insn.operands[1].written) ||
                    (insn.operands[2].is_register(reg) && insn.operands[2].written);
  if (!named && !also && (insn.writes >> reg & 1) == 0) return true;
  if (!named || to.size < 4) return give_up("it is computed", index, out);
  const bool with_number = from.kind == Operand::Kind::imm;
  const auto number = static_cast<std::uint32_t>(from.value);
  switch (insn.id) {
    case X86_INS_XOR:
    case X86_INS_SUB:
      if (from.is_register(reg)) {
        add(out, constant(0, index));
        return false;
      }
      if (!with_number) break;
      if (insn.id == X86_INS_XOR)
        return map(index, location, out, [&](std::uint32_t v) { return v ^ number; });
      return map(
          index, location, out, [&](std::uint32_t v) { return v - number; }, true);
    case X86_INS_ADD:
      if (!with_number) break;
      return map(
          index, location, out, [&](std::uint32_t v) { return v + number; }, true);
    case X86_INS_AND:
      if (!with_number) break;
      return map(index, location, out, [&](std::uint32_t v) { return v & number; });
    case X86_INS_OR:
      if (!with_number) break;
      if (number == ~std::uint32_t{0}) {
        add(out, constant(-1, index));
        return false;
      }
      return map(index, location, out, [&](std::uint32_t v) { return v | number; });
    case X86_INS_INC:
      return map(
          index, location, out, [](std::uint32_t v) { return v + 1; }, true);
    case X86_INS_DEC:
      return map(
          index, location, out, [](std::uint32_t v) { return v - 1; }, true);
    case X86_INS_NOT:
      return map(index, location, out, [](std::uint32_t v) { return ~v; });
    case X86_INS_NEG:
      return map(index, location, out, [](std::uint32_t v) { return 0 - v; });
    case X86_INS_SHL:
      if (!with_number) break;
      return map(index, location, out, [&](std::uint32_t v) { return v << (number & 31); });
    case X86_INS_CMOVA:
    case X86_INS_CMOVAE:
    case X86_INS_CMOVB:
    case X86_INS_CMOVBE:
    case X86_INS_CMOVE:
    case X86_INS_CMOVNE:
    case X86_INS_CMOVG:
    case X86_INS_CMOVGE:
    case X86_INS_CMOVL:
    case X86_INS_CMOVLE:
    case X86_INS_CMOVS:
    case X86_INS_CMOVNS: {
      before(index, location, out);
      return take(index, from, location, out);
    }
    default:
      break;
  }
  return give_up("it is computed", index, out);
}

bool Follower::step_on_stack(std::size_t index, Location& location, std::vector<Term>& out) {
  const Insn& insn = code_.insns()[index];
  const StackPlace wanted = location.place;
  const StackPlace top = code_.stack(index).rsp;
  const auto overlaps = [&](const StackPlace& at, std::int64_t size) {
    return at.base == wanted.base && at.offset < wanted.offset + 4 && wanted.offset < at.offset + size;
  };
  if (insn.is_call) {
    // What lies below the stack pointer is the called function's.
    if (top.base == wanted.base && wanted.offset < top.offset)
      return give_up("a function called before may have changed it", index, out);
    return true;
  }
  if (insn.id == X86_INS_PUSH) {
    const StackPlace slot = top.plus(-8);
    if (!overlaps(slot, 8)) return true;
    if (slot != wanted) return give_up("it is a part of something larger", index, out);
    return take(index, insn.operands[0], location, out);
  }
  for (unsigned i = 0; i < insn.operand_count; ++i) {
    const Operand& to = insn.operands[i];
    if (to.kind != Operand::Kind::mem || !to.written) continue;
    const bool by_stack = to.reg == kRsp || (to.reg == kRbp && code_.stack(index).rbp.known());
    if (by_stack && !to.plain)
      return give_up("something is written to the stack at a computed place", index, out);
    const StackPlace place = code_.place_of(index, to);
    if (!place.known() || !overlaps(place, std::max<std::int64_t>(to.size, 1))) continue;
    if (insn.id == X86_INS_MOV && i == 0 && place == wanted && to.size >= 4)
      return take(index, insn.operands[1], location, out);
    return give_up("it is computed in memory", index, out);
  }
  return true;
}

}  // namespace

std::vector<Term> values_before(Functions& functions, const FunctionInfo& function, std::size_t index,
                                Location location, bool is_go) {
  std::vector<Term> out;
  Follower(functions, function, is_go).before(index, location, out);
  return out;
}

}  // namespace sudrun::tools
