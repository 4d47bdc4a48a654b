/* Offsets into ThreadBlock, shared by gate.S and thread_block.hpp, which asserts them. */
#ifndef SUDRUN_THREAD_BLOCK_OFFSETS_H
#define SUDRUN_THREAD_BLOCK_OFFSETS_H
#define TB_SELF 0
#define TB_SELECTOR 8
#define TB_SIDE 9
#define TB_FSGSBASE 10
#define TB_NOT_ENTERED 11
#define TB_PENDING 12
#define TB_HOST_FS 16
#define TB_HOST_RSP 32
#define TB_VECTOR_SAVE 40
#define TB_VECTOR_LOAD 41
#define TB_IN_USE 44
#define TB_IMAGE 48
#define TB_OWN_IMAGE 56
#define TB_LOAD_MASK 64
#define TB_REGS 128
#define TB_FS 272

/* abi::Registers, in TB_REGS */
#define TB_R8 (TB_REGS + 0)
#define TB_R9 (TB_REGS + 8)
#define TB_R10 (TB_REGS + 16)
#define TB_R11 (TB_REGS + 24)
#define TB_R12 (TB_REGS + 32)
#define TB_R13 (TB_REGS + 40)
#define TB_R14 (TB_REGS + 48)
#define TB_R15 (TB_REGS + 56)
#define TB_RDI (TB_REGS + 64)
#define TB_RSI (TB_REGS + 72)
#define TB_RBP (TB_REGS + 80)
#define TB_RBX (TB_REGS + 88)
#define TB_RDX (TB_REGS + 96)
#define TB_RAX (TB_REGS + 104)
#define TB_RCX (TB_REGS + 112)
#define TB_RSP (TB_REGS + 120)
#define TB_RIP (TB_REGS + 128)
#define TB_RFLAGS (TB_REGS + 136)

/* In Resume::selector_and_side. */
#define RESUME_HOST_LOOP 0x10000

/* ThreadBlock::vector_save: what the processor offers. */
#define VECTOR_FXSAVE 0
#define VECTOR_XSAVE 1
#define VECTOR_XINUSE 2 /* XSAVE, and XGETBV tells which components are in use */
/* ThreadBlock::vector_load: how the guest's state comes back. */
#define LOAD_IMAGE 0
#define LOAD_REGISTERS 1 /* only what TB_IN_USE says; the image is right as well */
/* XSAVE components. */
#define COMPONENT_X87 1
#define COMPONENT_SSE 2
#define COMPONENT_AVX 4
#define COMPONENT_PKRU 0x200
#endif
