// Structures of System V IPC as FreeBSD/amd64 has them, today's and those of the calls before FreeBSD 8.
//
// Sources: FreeBSD 14.0, sys/sys/ipc.h, sys/sys/sem.h, sys/sys/msg.h, sys/sys/shm.h; the bits of `mode`:
// sys/kern/sysv_shm.c (SHMSEG_*), sys/sys/sem.h (SEM_ALLOC).
#pragma once

#include <cstddef>
#include <cstdint>

namespace sudrun::abi::bsd::sysv {

/// `struct ipc_perm`.
struct Perm {
  std::uint32_t cuid, cgid, uid, gid;
  std::uint16_t mode, seq;
  std::int64_t key;
};
static_assert(sizeof(Perm) == 32 && offsetof(Perm, mode) == 16 && offsetof(Perm, key) == 24);

/// `struct ipc_perm_old`.
struct PermOld {
  std::uint16_t cuid, cgid, uid, gid, mode, seq;
  std::int64_t key;
};
static_assert(sizeof(PermOld) == 24 && offsetof(PermOld, mode) == 8 && offsetof(PermOld, key) == 16);

/// `struct semid_ds`.
struct SemidDs {
  Perm perm;
  std::uint64_t base;
  std::uint16_t nsems;
  std::int64_t otime, ctime;
};
static_assert(sizeof(SemidDs) == 64 && offsetof(SemidDs, nsems) == 40 && offsetof(SemidDs, otime) == 48);

/// `struct semid_ds_old`.
struct SemidDsOld {
  PermOld perm;
  std::uint64_t base;
  std::uint16_t nsems;
  std::int64_t otime, pad1, ctime, pad2, pad3[4];
};
static_assert(sizeof(SemidDsOld) == 104 && offsetof(SemidDsOld, nsems) == 32);
static_assert(offsetof(SemidDsOld, otime) == 40 && offsetof(SemidDsOld, ctime) == 56);

/// `struct msqid_ds`.
struct MsqidDs {
  Perm perm;
  std::uint64_t first, last;
  std::uint64_t cbytes, qnum, qbytes;
  std::int32_t lspid, lrpid;
  std::int64_t stime, rtime, ctime;
};
static_assert(sizeof(MsqidDs) == 104 && offsetof(MsqidDs, cbytes) == 48 && offsetof(MsqidDs, lspid) == 72);
static_assert(offsetof(MsqidDs, stime) == 80 && offsetof(MsqidDs, ctime) == 96);

/// `struct msqid_ds_old`.
struct MsqidDsOld {
  PermOld perm;
  std::uint64_t first, last;
  std::uint64_t cbytes, qnum, qbytes;
  std::int32_t lspid, lrpid;
  std::int64_t stime, pad1, rtime, pad2, ctime, pad3, pad4[4];
};
static_assert(sizeof(MsqidDsOld) == 152 && offsetof(MsqidDsOld, qbytes) == 56);
static_assert(offsetof(MsqidDsOld, stime) == 72 && offsetof(MsqidDsOld, ctime) == 104);

/// `struct shmid_ds`.
struct ShmidDs {
  Perm perm;
  std::uint64_t segsz;
  std::int32_t lpid, cpid;
  std::uint32_t nattch;
  std::int64_t atime, dtime, ctime;
};
static_assert(sizeof(ShmidDs) == 80 && offsetof(ShmidDs, segsz) == 32 && offsetof(ShmidDs, nattch) == 48);
static_assert(offsetof(ShmidDs, atime) == 56 && offsetof(ShmidDs, ctime) == 72);

/// `struct shmid_ds_old`.
struct ShmidDsOld {
  PermOld perm;
  std::int32_t segsz, lpid, cpid;
  std::int16_t nattch;
  std::int64_t atime, dtime, ctime;
  std::uint64_t internal;
};
static_assert(sizeof(ShmidDsOld) == 72 && offsetof(ShmidDsOld, segsz) == 24);
static_assert(offsetof(ShmidDsOld, nattch) == 36 && offsetof(ShmidDsOld, atime) == 40);

// Bits of `mode` above the permissions.
inline constexpr std::uint16_t kSemAllocated = 01000;  // SEM_ALLOC
inline constexpr std::uint16_t kShmAllocated = 0x800;  // SHMSEG_ALLOCATED
inline constexpr std::uint16_t kShmRemoved = 0x400;    // SHMSEG_REMOVED

// Limits as GENERIC sets them (kern.ipc.*), where the host's are wider.
inline constexpr std::uint64_t kSemOperations = 100;  // SEMOPM
inline constexpr int kSemsPerSet = 340;               // SEMMSL

/// SHM_REMAP shares its bits with SHM_RDONLY and SHM_RND: the kernel takes either for it.
inline constexpr unsigned kShmRemap = 0x3000;

}  // namespace sudrun::abi::bsd::sysv
