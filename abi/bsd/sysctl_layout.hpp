// Structures that sysctl(3) hands out.
//
// Facts: FreeBSD 15.0 sys/sys/user.h (kinfo_proc), sys/sys/exec.h (ps_strings).
#pragma once

#include <cstddef>
#include <cstdint>

namespace sudrun::abi::bsd {

struct KinfoProc {  // struct kinfo_proc; addresses within the kernel are left zero
  static constexpr std::int64_t kHasTerminal = 2, kKernelProcess = 4, kSystem = 0x200,  // P_CONTROLT, KPROC,
      kInMemory = 0x1000'0000;                                                          // SYSTEM, INMEM
  static constexpr std::int64_t kInterruptible = 8;                                     // TDF_SINTR
  static constexpr std::int64_t kTerminalOfSession = 1, kSessionLeader = 2;             // KI_CTTY, KI_SLEADER
  std::int32_t structsize;
  std::int32_t layout;
  std::uint64_t kernel_pointers[8];
  std::int32_t pid, ppid, pgid, tpgid, sid, tsid;
  std::int16_t jobc;
  std::int16_t spare_short1;
  std::uint32_t tdev_old;
  std::uint32_t siglist[4], sigmask[4], sigignore[4], sigcatch[4];
  std::uint32_t uid, ruid, svuid, rgid, svgid;
  std::int16_t ngroups;
  std::int16_t spare_short2;
  std::uint32_t groups[16];
  std::uint64_t size;                               // bytes
  std::int64_t rssize, swrss, tsize, dsize, ssize;  // pages
  std::uint16_t xstat, acflag;
  std::uint32_t pctcpu, estcpu, slptime, swtime, cow;
  std::uint64_t runtime;                // microseconds
  std::int64_t start[2], childtime[2];  // struct timeval
  std::int64_t flag, kiflag;
  std::int32_t traceflag;
  char stat;
  std::int8_t nice;
  char lock, rqindex;
  std::uint8_t oncpu_old, lastcpu_old;
  char tdname[17];
  char wmesg[9];
  char login[18];
  char lockname[9];
  char comm[20];
  char emul[17];
  char loginclass[18];
  char moretdname[4];
  char sparestrings[46];
  std::int32_t spareints[2];
  std::uint64_t tdev;
  std::int32_t oncpu, lastcpu, tracer, flag2, fibnum;
  std::uint32_t cr_flags;
  std::int32_t jid, numthreads, tid;
  std::uint8_t priority[4];
  std::uint64_t rusage[18], rusage_children[18];
  std::uint64_t pointers[11];
  std::int64_t spare_longs[11], sflag, tdflags;
};
static_assert(sizeof(KinfoProc) == 1088);
static_assert(offsetof(KinfoProc, pid) == 72 && offsetof(KinfoProc, uid) == 168 &&
              offsetof(KinfoProc, size) == 256);
static_assert(offsetof(KinfoProc, runtime) == 328 && offsetof(KinfoProc, stat) == 388);
static_assert(offsetof(KinfoProc, comm) == 447 && offsetof(KinfoProc, tdev) == 560);
static_assert(offsetof(KinfoProc, numthreads) == 596 && offsetof(KinfoProc, rusage) == 608);

struct KinfoFile {  // struct kinfo_file; addresses within the kernel and rights are left zero
  static constexpr std::int32_t kVnode = 1, kSocket = 2, kPipe = 3, kFifo = 4, kPts = 10;  // KF_TYPE_
  static constexpr std::int32_t kRead = 1, kWrite = 2, kAppend = 4, kNonblock = 0x20;      // KF_FLAG_
  std::int32_t structsize, type, fd, ref_count, flags, pad0;
  std::int64_t offset;
  struct File {
    std::int32_t vnode_type, spare[3];
    std::uint64_t spare64[30];
    std::uint64_t fsid, rdev, fileid, size;
    std::uint32_t fsid_old, rdev_old;
    std::uint16_t mode, pad0;
    std::uint32_t pad1;
  };
  struct Socket {
    std::int32_t send_queue, domain, type, protocol;
    std::byte local[128], peer[128];
    std::uint64_t control_blocks[3];
    std::uint32_t state[2];
  };
  union {
    File file;
    Socket socket;
  };
  std::uint16_t status, pad1;
  std::int32_t spare1;
  std::uint64_t rights[2], rights_spare;
  char path[1024];
};

static_assert(sizeof(KinfoFile) == 1392 && offsetof(KinfoFile, file) == 32 &&
              offsetof(KinfoFile, status) == 336 && offsetof(KinfoFile, path) == 368);

struct KinfoVmentry {  // struct kinfo_vmentry
  std::int32_t structsize, type;
  std::uint64_t start, end, offset, vn_fileid;
  std::uint32_t vn_fsid_old;
  std::int32_t flags, resident, private_resident, protection, ref_count, shadow_count, vn_type;
  std::uint64_t vn_size;
  std::uint32_t vn_rdev_old;
  std::uint16_t vn_mode, status;
  std::uint64_t vn_fsid, vn_rdev;
  std::int32_t spare[8];
  char path[1024];
};
static_assert(sizeof(KinfoVmentry) == 1160 && offsetof(KinfoVmentry, path) == 136 &&
              offsetof(KinfoVmentry, protection) == 56);

struct PsStrings {  // struct ps_strings
  std::uint64_t argv;
  std::uint32_t argc;
  std::uint32_t pad0;
  std::uint64_t envp;
  std::uint32_t envc;
  std::uint32_t pad1;
};
static_assert(sizeof(PsStrings) == 32);

}  // namespace sudrun::abi::bsd
