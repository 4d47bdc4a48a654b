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
#endif
