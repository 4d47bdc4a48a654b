// A native vocabulary and a guest table, both small, for tests of the table engine.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "abi/table_freeze.hpp"
#include "abi/table_reader.hpp"

namespace sudrun::test {

inline const std::string kNativeYaml = R"yaml(abi: host
title: The host
personality: host
source: {release: "1"}
identify: {}
convention: {number: rax, args: [rdi, rsi, rdx, r10, r8, r9], result: rax, error: negative}
errno: {EPERM: 1, ENOENT: 2, EINTR: 4, EIO: 5, EBADF: 9, EFAULT: 14, EINVAL: 22, ENODATA: 61, ECHRNG: 44}
signals: {SIGHUP: 1, SIGINT: 2, SIGUSR1: 10, SIGCHLD: 17, SIGRTMIN: 34}
flags:
  open_flags:
    kind: bits
    unknown: keep
    values:
      O_RDONLY: {value: 0, field: 0x3}
      O_WRONLY: {value: 1, field: 0x3}
      O_RDWR: {value: 2, field: 0x3}
      O_CREAT: 0x40
      O_APPEND: 0x400
      O_DSYNC: 0x1000
      O_SYNC: 0x101000
      O_CLOEXEC: 0x80000
  clock_id:
    kind: enum
    values: {CLOCK_REALTIME: 0, CLOCK_MONOTONIC: 1}
  poll_events: {kind: bits, values: {POLLIN: 1, POLLOUT: 4}}
  socket_domain: {kind: enum, values: {AF_UNSPEC: 0, AF_UNIX: 1, AF_INET: 2, AF_INET6: 10}}
structs:
  timespec: {size: 16, fields: {tv_sec: i64@0, tv_nsec: i64@8}}
  interval: {size: 32, fields: {it_interval: timespec@0, it_value: timespec@16}}
  usage: {size: 24, fields: {time: u64@0, count: i64@8, events: {at: u16@16, flags: poll_events}, name: "char[6]@18"}}
  iovec: {size: 16, fields: {iov_base: u64@0, iov_len: u64@8}}
  huge: {size: 900, fields: {data: "char[900]@0"}}
  sockaddr: {size: 16, fields: {sa_family: u16@0, sa_data: "char[14]@2"}}
calls:
  0: {name: read, args: {fd: fd, buf: out_buf(n), n: size}, returns: ssize, native: read, support: full}
  1: {name: write, args: {fd: fd, buf: in_buf(n), n: size}, returns: ssize, native: write, support: full}
  2: {name: open, args: {path: path, flags: open_flags, mode: mode}, returns: fd, native: open, support: full}
  7: {name: poll, args: {a: ptr, b: long, c: int}, native: poll, support: full}
  20: {name: writev, args: {fd: fd, iov: "in(iovec,n)", n: int}, returns: ssize, native: writev, support: full}
  35: {name: nanosleep, args: {req: in(timespec), rem: "out(timespec)?"}, native: nanosleep, support: full}
  62: {name: kill, args: {pid: pid, sig: signal}, native: kill, support: full}
  95: {name: umask, args: {mask: mode}, returns: mode, native: umask, support: full}
  98: {name: getusage, args: {who: int, usage: out(usage)}, native: getusage, support: full}
  99: {name: setusage, args: {usage: in(usage)}, native: setusage, support: full}
  257: {name: openat, args: {dir: dirfd, path: path, flags: open_flags, mode: mode}, returns: fd, native: openat, support: full}
  300: {name: getclock, args: {clock: clock_id, time: out(timespec)}, native: getclock, support: full}
  301: {name: move, args: {a: long, b: ulong, c: int}, returns: long, native: move, support: full}
)yaml";

inline const std::string kGuestYaml = R"yaml(abi: guest
title: The guest
personality: guest
source: {release: "7.2", files: [a.h, b.h]}
identify:
  osabi: 9
  notes: [{name: Guest, type: 1}]
  interpreters: [/libexec/ld.so]
convention:
  number: rax
  args: [rdi, rsi, rdx, r10, r8, r9]
  stack_args: 8
  result: rax
  result2: rdx
  error: carry
  indirect: [0, 198]
  thread_pointer: fs
errno:
  EPERM: 1
  ENOENT: 2
  EINTR: 4
  EIO: 5
  EBADF: 9
  EFAULT: 14
  EINVAL: 22
  ENOATTR: {value: 87, native: ENODATA}
  EDOOFUS: {value: 88, native: none, note: "never"}
errno_from_native: {ECHRNG: EINVAL}
signals:
  SIGHUP: 1
  SIGINT: 2
  SIGEMT: {value: 7, native: SIGRTMIN+2, default: core}
  SIGCHLD: 20
  SIGUSR1: 30
  SIGRT80: {value: 80, native: none}
flags:
  open_flags:
    kind: bits
    unknown: refuse
    values:
      O_RDONLY: {value: 0, field: 0x3}
      O_WRONLY: {value: 1, field: 0x3}
      O_RDWR: {value: 2, field: 0x3}
      O_APPEND: 8
      O_EXLOCK: {value: 0x20, native: none, note: "handled"}
      O_SYNC: 0x80
      O_CREAT: 0x200
      O_CLOEXEC: 0x100000
      O_DSYNC: 0x1000000
      O_NAMEDATTR: {value: 0x4000000, native: refuse}
  clock_id:
    kind: enum
    values: {CLOCK_REALTIME: 0, CLOCK_VIRTUAL: {value: 1, native: none}, CLOCK_MONOTONIC: 4}
  poll_events: {kind: bits, unknown: ignore, values: {POLLIN: 2, POLLOUT: 8}}
  socket_domain: {kind: enum, values: {AF_UNSPEC: 0, AF_UNIX: 1, AF_INET: 2, AF_INET6: 28}}
  modes: {kind: bits, trace_only: true, values: {M_A: 1, M_B: 2}}
structs:
  timespec: {size: 16, fields: {tv_sec: i64@0, tv_nsec: i64@8}}
  interval: {size: 32, fields: {it_interval: timespec@0, it_value: timespec@16}}
  usage:
    size: 20
    fields:
      count: i32@0
      time: u64@4
      events: {at: u32@12, flags: poll_events}
      name: "char[3]@16"
      extra: {at: u8@19, native: none}
  iovec: {size: 16, fields: {iov_base: u64@0, iov_len: u64@8}}
  opaque: {size: 8, native: none, fields: {a: u32@0, mode: {at: u32@4, flags: modes}}}
  sockaddr: {size: 16, native: none, fields: {sa_len: u8@0, sa_family: u8@1, sa_data: "char[14]@2"}}
calls:
  0: {name: syscall, args: {number: int}, support: none, note: "indirect"}
  1: {name: exit, args: {status: int}, returns: none, handler: exit, support: full}
  3: {name: read, args: {fd: fd, buf: out_buf(n), n: size}, returns: ssize, native: read, support: full}
  4: {name: write, args: {fd: fd, buf: in_buf(n), n: size}, returns: ssize, native: write, support: full}
  5: {name: open, args: {path: path, flags: open_flags, mode: mode}, returns: fd, native: open, support: full}
  11: {name: execv, support: none, note: "obsolete"}
  37: {name: kill, args: {pid: pid, sig: signal}, native: kill, support: full}
  59: {name: execve, args: {path: path, argv: strv, envp: strv}, handler: execve, support: partial, note: "scripts are not followed"}
  60: {name: umask, args: {mask: mode}, returns: mode, native: umask, support: full}
  98: {name: connect, args: {fd: fd, addr: in_sockaddr(len), len: uint}, handler: connect, support: full}
  99: {name: accept, args: {fd: fd, addr: "out_sockaddr(len)?", len: "inout(u32)?"}, returns: fd, handler: accept, support: full}
  117: {name: getusage, args: {usage: out(usage), who: int}, native: getusage, native_args: [who, usage], support: full}
  118: {name: setusage, args: {usage: "in(usage)?"}, native: setusage, support: full}
  119: {name: getselfusage, args: {usage: out(usage)}, native: getusage, native_args: [-1, usage], support: full}
  121: {name: writev, args: {fd: fd, iov: "in(iovec,n)", n: int}, returns: ssize, native: writev, support: full}
  198: {name: __syscall, args: {number: long}, support: none, note: "indirect"}
  240: {name: nanosleep, args: {req: in(timespec), rem: "out(timespec)?"}, native: nanosleep, interrupt: fail, support: full}
  241: {name: getclock, args: {clock: clock_id, time: out(timespec)}, native: getclock, support: full}
  242: {name: opaque, args: {o: in(opaque)}, handler: opaque, support: full}
  243: {name: jail, args: {}, error: EDOOFUS, support: full}
  300: {name: move, args: {a: long, b: ulong, c: int}, returns: long, native: move, support: full}
  301: {name: many, args: {a: long, b: long, c: long, d: long, e: long, f: long, g: long, h: long}, handler: many, support: full}
  302: {name: pair, args: {fds: "out(i32,2)"}, handler: pair, support: full}
  499: {name: openat, args: {dir: dirfd, path: path, flags: open_flags, mode: mode}, returns: fd, native: openat, support: full}
)yaml";

inline constexpr std::array<std::string_view, 8> kGuestHandlers{"accept", "connect", "execve", "exit",
                                                                "many",   "opaque",  "pair",   "spare"};

/// The guest's table, frozen, with the block it lives in.
class SmallTable {
 public:
  explicit SmallTable(const std::string& guest = kGuestYaml)
      : block_(abi::freeze(abi::parse_table(guest, "guest.yaml"), abi::parse_table(kNativeYaml, "host.yaml"),
                           kGuestHandlers)),
        table_(abi::Table::wrap(block_).value()) {}
  const abi::Table& operator*() const noexcept { return table_; }
  const abi::Table* operator->() const noexcept { return &table_; }
  const std::vector<std::byte>& block() const noexcept { return block_; }

 private:
  std::vector<std::byte> block_;
  abi::Table table_;
};

/// `text` with the one occurrence of `from` replaced.
inline std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  if (at == std::string::npos)
    throw std::logic_error("the text to replace is not there: " + std::string(from));
  return text.replace(at, from.size(), to);
}

}  // namespace sudrun::test
