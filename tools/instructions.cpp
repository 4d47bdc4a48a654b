#include "tools/instructions.hpp"

#include <algorithm>

namespace sudrun::tools {
namespace {

struct Register {
  std::uint8_t number = kNoRegister;
  bool high = false;
};

/// Capstone's name for any part of a general register → which one it is a part of.
Register general(unsigned reg) noexcept {
  switch (reg) {
#define SUDRUN_REGISTER(number, q, d, w, b) \
  case X86_REG_##q:                         \
  case X86_REG_##d:                         \
  case X86_REG_##w:                         \
  case X86_REG_##b:                         \
    return {number, false};
    SUDRUN_REGISTER(0, R8, R8D, R8W, R8B)
    SUDRUN_REGISTER(1, R9, R9D, R9W, R9B)
    SUDRUN_REGISTER(2, R10, R10D, R10W, R10B)
    SUDRUN_REGISTER(3, R11, R11D, R11W, R11B)
    SUDRUN_REGISTER(4, R12, R12D, R12W, R12B)
    SUDRUN_REGISTER(5, R13, R13D, R13W, R13B)
    SUDRUN_REGISTER(6, R14, R14D, R14W, R14B)
    SUDRUN_REGISTER(7, R15, R15D, R15W, R15B)
    SUDRUN_REGISTER(kRdi, RDI, EDI, DI, DIL)
    SUDRUN_REGISTER(9, RSI, ESI, SI, SIL)
    SUDRUN_REGISTER(kRbp, RBP, EBP, BP, BPL)
    SUDRUN_REGISTER(kRbx, RBX, EBX, BX, BL)
    SUDRUN_REGISTER(kRdx, RDX, EDX, DX, DL)
    SUDRUN_REGISTER(kRax, RAX, EAX, AX, AL)
    SUDRUN_REGISTER(kRcx, RCX, ECX, CX, CL)
    SUDRUN_REGISTER(kRsp, RSP, ESP, SP, SPL)
#undef SUDRUN_REGISTER
    case X86_REG_AH:
      return {kRax, true};
    case X86_REG_BH:
      return {kRbx, true};
    case X86_REG_CH:
      return {kRcx, true};
    case X86_REG_DH:
      return {kRdx, true};
    case X86_REG_RIP:
      return {kRip, false};
    default:
      return {};
  }
}

/// Instructions that only read their first operand.
bool only_reads(unsigned id) noexcept {
  switch (id) {
    case X86_INS_CMP:
    case X86_INS_TEST:
    case X86_INS_BT:
    case X86_INS_PUSH:
    case X86_INS_CALL:
    case X86_INS_JMP:
    case X86_INS_NOP:
    case X86_INS_MUL:
    case X86_INS_DIV:
    case X86_INS_IDIV:
    case X86_INS_UCOMISD:
    case X86_INS_UCOMISS:
    case X86_INS_COMISD:
    case X86_INS_COMISS:
      return true;
    default:
      return false;
  }
}

Operand operand_of(const cs_x86_op& from) noexcept {
  Operand operand;
  operand.size = from.size;
  operand.written = (from.access & CS_AC_WRITE) != 0;
  if (from.type == X86_OP_REG) {
    const Register reg = general(from.reg);
    operand.kind = Operand::Kind::reg;
    operand.reg = reg.number;
    operand.high = reg.high;
  } else if (from.type == X86_OP_IMM) {
    operand.kind = Operand::Kind::imm;
    operand.value = from.imm;
  } else if (from.type == X86_OP_MEM) {
    operand.kind = Operand::Kind::mem;
    operand.reg = general(from.mem.base).number;
    operand.plain = from.mem.index == X86_REG_INVALID && from.mem.segment == X86_REG_INVALID;
    operand.value = from.mem.disp;
  }
  return operand;
}

constexpr std::int64_t kWordSize = 8;

/// The stack after `insn`, which begins with `state`. `fresh` is a base nobody else uses.
StackState step(const Insn& insn, StackState state, std::uint32_t fresh) noexcept {
  const Operand& to = insn.operands[0];
  const Operand& from = insn.operands[1];
  const auto lose_base = [&](StackPlace& place) { place = {}; };
  switch (insn.id) {
    case X86_INS_PUSH:
    case X86_INS_PUSHFQ:
      state.rsp = state.rsp.plus(-kWordSize);
      return state;
    case X86_INS_POP:
    case X86_INS_POPFQ:
      state.rsp = state.rsp.plus(kWordSize);
      if (to.is_register(kRbp)) lose_base(state.rbp);
      if (to.is_register(kRsp)) state.rsp = {fresh, 0};
      return state;
    case X86_INS_LEAVE:
      state.rsp = state.rbp.known() ? state.rbp.plus(kWordSize) : StackPlace{fresh, 0};
      lose_base(state.rbp);
      return state;
    default:
      break;
  }
  StackPlace changed;
  if (insn.id == X86_INS_MOV && from.is_register(kRsp)) changed = state.rsp;
  if (insn.id == X86_INS_MOV && from.is_register(kRbp)) changed = state.rbp;
  if (insn.id == X86_INS_LEA && from.kind == Operand::Kind::mem && from.plain) {
    if (from.reg == kRsp) changed = state.rsp.plus(from.value);
    if (from.reg == kRbp) changed = state.rbp.plus(from.value);
  }
  if ((insn.id == X86_INS_SUB || insn.id == X86_INS_ADD) && from.kind == Operand::Kind::imm && to.size == 8) {
    const StackPlace before = to.is_register(kRsp) ? state.rsp : state.rbp;
    const Word distance = static_cast<Word>(from.value);
    changed = before.plus(static_cast<std::int64_t>(insn.id == X86_INS_ADD ? distance : Word{0} - distance));
    if (!before.known()) changed = {};
  }
  if (to.is_register(kRsp) && to.written) {
    state.rsp = changed.known() ? changed : StackPlace{fresh, 0};
  } else if ((to.is_register(kRbp) && to.written) || (insn.writes >> kRbp & 1) != 0) {
    state.rbp = changed;
  }
  return state;
}

}  // namespace

Insn decode(loader::Disassembler& disassembler, std::span<const std::byte> bytes, Word address) noexcept {
  Insn out;
  out.address = address;
  const auto decoded = disassembler.decode(bytes.first(std::min<std::size_t>(bytes.size(), 15)), address);
  if (!decoded) return out;
  out.size = static_cast<std::uint8_t>(decoded->size);
  out.id = static_cast<std::uint16_t>(decoded->id);
  out.is_syscall = decoded->is_syscall;
  out.ends_flow = decoded->ends_flow || decoded->is_int3;
  out.is_call = decoded->id == X86_INS_CALL || decoded->id == X86_INS_LCALL;
  out.is_jump = decoded->is_relative_branch && !out.is_call;
  out.target = decoded->is_relative_branch ? decoded->target : 0;
  const cs_detail& detail = *disassembler.last().detail;
  for (unsigned i = 0; i < detail.regs_write_count; ++i)
    if (const Register reg = general(detail.regs_write[i]); reg.number <= kRsp)
      out.writes |= std::uint32_t{1} << reg.number;
  out.operand_count = std::min<std::uint8_t>(detail.x86.op_count, 3);
  for (unsigned i = 0; i < out.operand_count; ++i) out.operands[i] = operand_of(detail.x86.operands[i]);
  // Capstone does not always say that an instruction writes. To think so is the safer mistake.
  if (!only_reads(out.id) && !out.is_jump) out.operands[0].written = true;
  return out;
}

FunctionCode::FunctionCode(loader::Disassembler& disassembler, Word start, std::span<const std::byte> bytes)
    : start_(start) {
  insns_.reserve(bytes.size() / 4);
  for (std::size_t at = 0; at < bytes.size();) {
    insns_.push_back(decode(disassembler, bytes.subspan(at), start + at));
    at += static_cast<std::size_t>(insns_.back().next() - insns_.back().address);
  }
  for (std::uint32_t i = 0; i < insns_.size(); ++i) {
    if (!insns_[i].is_jump) continue;
    if (const auto to = index_of(insns_[i].target)) jumps_.push_back({static_cast<std::uint32_t>(*to), i});
  }
  std::sort(jumps_.begin(), jumps_.end(),
            [](const Jump& a, const Jump& b) { return a.to != b.to ? a.to < b.to : a.from < b.from; });
  for (const Jump& jump : jumps_) sources_.push_back(jump.from);
}

std::optional<std::size_t> FunctionCode::index_of(Word address) const noexcept {
  const auto found = std::lower_bound(insns_.begin(), insns_.end(), address,
                                      [](const Insn& insn, Word at) { return insn.address < at; });
  if (found == insns_.end() || found->address != address || found->size == 0) return std::nullopt;
  return static_cast<std::size_t>(found - insns_.begin());
}

std::span<const std::uint32_t> FunctionCode::jumps_to(std::size_t index) const noexcept {
  const auto less = [](const Jump& jump, std::size_t to) { return jump.to < to; };
  const auto first = std::lower_bound(jumps_.begin(), jumps_.end(), index, less);
  const auto last = std::lower_bound(first, jumps_.end(), index + 1, less);
  return std::span(sources_).subspan(static_cast<std::size_t>(first - jumps_.begin()),
                                     static_cast<std::size_t>(last - first));
}

const StackState& FunctionCode::stack(std::size_t index) const {
  if (stack_.empty()) follow_stack();
  return stack_[index];
}

StackPlace FunctionCode::place_of(std::size_t index, const Operand& operand) const {
  if (operand.kind != Operand::Kind::mem || !operand.plain) return {};
  if (operand.reg == kRsp) return stack(index).rsp.plus(operand.value);
  if (operand.reg == kRbp && stack(index).rbp.known()) return stack(index).rbp.plus(operand.value);
  return {};
}

void FunctionCode::follow_stack() const {
  stack_.resize(insns_.size());
  std::vector<bool> known(insns_.size());
  std::vector<std::pair<std::uint32_t, StackState>> todo;
  // What comes first counts: ways that disagree are mostly ones that nobody takes, such as on from a call
  // that does not return.
  const auto run = [&] {
    while (!todo.empty()) {
      auto [i, state] = todo.back();
      todo.pop_back();
      for (; i < insns_.size() && !known[i] && insns_[i].size != 0; ++i) {
        known[i] = true;
        stack_[i] = state;
        state = step(insns_[i], state, i + 1);
        if (insns_[i].is_jump)
          if (const auto to = index_of(insns_[i].target))
            todo.emplace_back(static_cast<std::uint32_t>(*to), state);
        if (insns_[i].ends_flow) break;
      }
    }
  };
  for (std::uint32_t i = 0; i < insns_.size(); ++i) {
    if (known[i]) continue;
    todo.emplace_back(i, StackState{{i, 0}, {}});
    run();
  }
}

}  // namespace sudrun::tools
