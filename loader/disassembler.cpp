#include "loader/disassembler.hpp"

#include "loader/capstone_library.hpp"

namespace sudrun::loader {

Disassembler::Handle::Handle() noexcept {
  const CapstoneLibrary* const capstone = capstone_library();
  if (capstone == nullptr || capstone->open(CS_ARCH_X86, CS_MODE_64, &handle_) != CS_ERR_OK) {
    handle_ = 0;
    return;
  }
  capstone->option(handle_, CS_OPT_DETAIL, CS_OPT_ON);  // before cs_malloc, which sizes the instruction by it
}

Disassembler::Handle::~Handle() {
  if (handle_ != 0) capstone_library()->close(&handle_);
}

void Disassembler::FreeInsn::operator()(cs_insn* insn) const noexcept { capstone_library()->free(insn, 1); }

Disassembler::Disassembler() noexcept : insn_(handle_ ? capstone_library()->malloc(handle_.get()) : nullptr) {
  // The first instruction makes Capstone build an index of its tables: that must happen now.
  const std::byte nop{0x90};
  decode(std::span(&nop, 1), 0);
}

std::optional<Instruction> Disassembler::decode(std::span<const std::byte> bytes,
                                                std::uint64_t address) noexcept {
  if (!insn_) return std::nullopt;
  const auto* code = reinterpret_cast<const std::uint8_t*>(bytes.data());
  std::size_t left = bytes.size();
  std::uint64_t at = address;
  if (!capstone_library()->disasm_iter(handle_.get(), &code, &left, &at, insn_.get())) return std::nullopt;

  Instruction out;
  out.address = address;
  out.size = insn_->size;
  out.id = insn_->id;
  out.mnemonic = insn_->mnemonic;
  out.operands = insn_->op_str;
  out.is_syscall = insn_->id == X86_INS_SYSCALL;
  out.is_int3 = insn_->id == X86_INS_INT3;
  out.is_nop = insn_->id == X86_INS_NOP;
  switch (insn_->id) {
    case X86_INS_JMP:
    case X86_INS_LJMP:
    case X86_INS_RET:
    case X86_INS_RETF:
    case X86_INS_RETFQ:
    case X86_INS_IRET:
    case X86_INS_IRETD:
    case X86_INS_IRETQ:
    case X86_INS_HLT:
    case X86_INS_UD0:
    case X86_INS_UD2:
    case X86_INS_UD2B:
      out.ends_flow = true;
      break;
    default:
      break;
  }
  const cs_detail& detail = *insn_->detail;
  bool branches = false;
  for (unsigned i = 0; i < detail.groups_count; ++i) {
    branches = branches || detail.groups[i] == X86_GRP_JUMP || detail.groups[i] == X86_GRP_CALL;
  }
  for (unsigned i = 0; i < detail.x86.op_count; ++i) {
    const cs_x86_op& operand = detail.x86.operands[i];
    if (branches && operand.type == X86_OP_IMM) {
      out.is_relative_branch = true;
      out.target = static_cast<std::uint64_t>(operand.imm);
    }
    if (operand.type == X86_OP_MEM && (operand.mem.base == X86_REG_RIP || operand.mem.base == X86_REG_EIP)) {
      out.is_rip_relative = true;
    }
  }
  return out;
}

}  // namespace sudrun::loader
