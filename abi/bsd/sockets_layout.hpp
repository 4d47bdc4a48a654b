// FreeBSD/amd64 socket structures and the option numbers that have no Linux form.
//
// Sources: sys/sys/socket.h, sys/sys/un.h, sys/netinet/in.h, sys/netinet6/in6.h, sys/netinet/tcp.h,
// sys/net/if_dl.h, sys/sys/ucred.h, sys/sys/_ucred.h (FreeBSD 15.0).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace sudrun::abi::bsd::guest {

// Address families that can stand in a sockaddr the guest hands in or is given. sockaddr conversion needs
// them without a table at hand; socket(2) domains come from the table.
inline constexpr std::uint8_t kAfUnspec = 0;
inline constexpr std::uint8_t kAfUnix = 1;
inline constexpr std::uint8_t kAfInet = 2;
inline constexpr std::uint8_t kAfLink = 18;
inline constexpr std::uint8_t kAfInet6 = 28;

/// SOCK_MAXADDRLEN: the kernel refuses longer addresses with ENAMETOOLONG.
inline constexpr std::uint32_t kMaxAddressLength = 255;
/// UIO_MAXIOV.
inline constexpr int kMaxIov = 1024;
/// MCLBYTES: the longest control data sendmsg takes.
inline constexpr std::uint32_t kMaxSendControl = 2048;

struct Sockaddr {
  std::uint8_t sa_len;
  std::uint8_t sa_family;
  std::array<std::uint8_t, 14> sa_data;
};
static_assert(sizeof(Sockaddr) == 16);

struct SockaddrIn {
  std::uint8_t sin_len;
  std::uint8_t sin_family;
  std::uint16_t sin_port;
  std::array<std::uint8_t, 4> sin_addr;
  std::array<std::uint8_t, 8> sin_zero;
};
static_assert(sizeof(SockaddrIn) == 16 && offsetof(SockaddrIn, sin_addr) == 4);

struct SockaddrIn6 {
  std::uint8_t sin6_len;
  std::uint8_t sin6_family;
  std::uint16_t sin6_port;
  std::uint32_t sin6_flowinfo;
  std::array<std::uint8_t, 16> sin6_addr;
  std::uint32_t sin6_scope_id;
};
static_assert(sizeof(SockaddrIn6) == 28 && offsetof(SockaddrIn6, sin6_scope_id) == 24);

struct SockaddrUn {
  std::uint8_t sun_len;
  std::uint8_t sun_family;
  std::array<char, 104> sun_path;
};
static_assert(sizeof(SockaddrUn) == 106 && offsetof(SockaddrUn, sun_path) == 2);

/// The part of sockaddr_dl before its variable data: what IP_RECVIF is given with when there is no name.
struct SockaddrDlHead {
  std::uint8_t sdl_len;
  std::uint8_t sdl_family;
  std::uint16_t sdl_index;
  std::uint8_t sdl_type;
  std::uint8_t sdl_nlen;
  std::uint8_t sdl_alen;
  std::uint8_t sdl_slen;
};
static_assert(sizeof(SockaddrDlHead) == 8);

struct Iovec {
  std::uint64_t iov_base;
  std::uint64_t iov_len;
};
static_assert(sizeof(Iovec) == 16);

struct Msghdr {
  std::uint64_t msg_name;
  std::uint32_t msg_namelen;
  std::uint32_t pad0;
  std::uint64_t msg_iov;
  std::int32_t msg_iovlen;
  std::uint32_t pad1;
  std::uint64_t msg_control;
  std::uint32_t msg_controllen;
  std::int32_t msg_flags;
};
static_assert(sizeof(Msghdr) == 48 && offsetof(Msghdr, msg_iov) == 16 &&
              offsetof(Msghdr, msg_control) == 32 && offsetof(Msghdr, msg_controllen) == 40 &&
              offsetof(Msghdr, msg_flags) == 44);

/// Data starts at the next multiple of 8: 16 bytes from the header's start, exactly as natively.
struct Cmsghdr {
  std::uint32_t cmsg_len;
  std::int32_t cmsg_level;
  std::int32_t cmsg_type;
};
static_assert(sizeof(Cmsghdr) == 12);
inline constexpr std::size_t kCmsgData = 16;
constexpr std::size_t cmsg_align(std::size_t n) noexcept { return (n + 7) & ~std::size_t{7}; }

// Control message levels and types.
inline constexpr std::int32_t kSolSocket = 0xffff;
inline constexpr std::int32_t kIpprotoIp = 0;
inline constexpr std::int32_t kIpprotoIpv6 = 41;
inline constexpr std::int32_t kScmRights = 1;
inline constexpr std::int32_t kScmTimestamp = 2;
inline constexpr std::int32_t kScmCreds = 3;
inline constexpr std::int32_t kScmBintime = 4;
inline constexpr std::int32_t kScmRealtime = 5;
inline constexpr std::int32_t kScmMonotonic = 6;
inline constexpr std::int32_t kScmCreds2 = 8;
inline constexpr std::int32_t kIpTos = 3;
inline constexpr std::int32_t kIpTtl = 4;
inline constexpr std::int32_t kIpRecvDstAddr = 7;  // also IP_SENDSRCADDR
inline constexpr std::int32_t kIpRecvIf = 20;
inline constexpr std::int32_t kIpRecvTtl = 65;
inline constexpr std::int32_t kIpRecvTos = 68;
inline constexpr std::int32_t kIpv6Pktinfo = 46;
inline constexpr std::int32_t kIpv6Hoplimit = 47;
inline constexpr std::int32_t kIpv6Tclass = 61;

/// struct bintime: seconds, and a fraction in units of 2^-64.
struct Bintime {
  std::int64_t sec;
  std::uint64_t frac;
};
static_assert(sizeof(Bintime) == 16);

/// What a sender passes in SCM_CREDS for the kernel to fill in.
struct Cmsgcred {
  std::int32_t cmcred_pid;
  std::uint32_t cmcred_uid;
  std::uint32_t cmcred_euid;
  std::uint32_t cmcred_gid;
  std::int16_t cmcred_ngroups;
  std::int16_t pad;
  std::array<std::uint32_t, 16> cmcred_groups;
};
static_assert(sizeof(Cmsgcred) == 84);

/// SCM_CREDS after LOCAL_CREDS; variable, here with one group.
struct Sockcred {
  std::uint32_t sc_uid;
  std::uint32_t sc_euid;
  std::uint32_t sc_gid;
  std::uint32_t sc_egid;
  std::int32_t sc_ngroups;
  std::uint32_t sc_groups;
};
static_assert(sizeof(Sockcred) == 24);

/// SCM_CREDS2 after LOCAL_CREDS_PERSISTENT; variable, here with one group.
struct Sockcred2 {
  std::int32_t sc_version;
  std::int32_t sc_pid;
  std::uint32_t sc_uid;
  std::uint32_t sc_euid;
  std::uint32_t sc_gid;
  std::uint32_t sc_egid;
  std::int32_t sc_ngroups;
  std::uint32_t sc_groups;
};
static_assert(sizeof(Sockcred2) == 32);

inline constexpr unsigned kXuGroups = 16;
struct Xucred {
  std::uint32_t cr_version;
  std::uint32_t cr_uid;
  std::int16_t cr_ngroups;
  std::int16_t pad;
  std::array<std::uint32_t, kXuGroups> cr_groups;
  std::uint32_t pad1;
  std::int32_t cr_pid;  // in a union with a pointer
  std::uint32_t pad2;
};
static_assert(sizeof(Xucred) == 88 && offsetof(Xucred, cr_groups) == 12 && offsetof(Xucred, cr_pid) == 80);

/// Fields up to tcpi_rcv_space stand where Linux has them; what follows is FreeBSD's own.
struct TcpInfo {
  std::uint8_t tcpi_state;
  std::array<std::uint8_t, 4> unused0;
  std::uint8_t tcpi_options;
  std::uint8_t tcpi_wscale;  // low nibble: send, high: receive
  std::uint8_t pad;
  std::uint32_t tcpi_rto, unused_ato, tcpi_snd_mss, tcpi_rcv_mss;
  std::array<std::uint32_t, 5> unused1;
  std::uint32_t unused_last_data_sent, unused_last_ack_sent, tcpi_last_data_recv, unused_last_ack_recv;
  std::uint32_t unused_pmtu, unused_rcv_ssthresh, tcpi_rtt, tcpi_rttvar, tcpi_snd_ssthresh, tcpi_snd_cwnd;
  std::uint32_t unused_advmss, unused_reordering, unused_rcv_rtt, tcpi_rcv_space;
  std::uint32_t tcpi_snd_wnd, tcpi_snd_bwnd, tcpi_snd_nxt, tcpi_rcv_nxt, tcpi_toe_tid;
  std::uint32_t tcpi_snd_rexmitpack, tcpi_rcv_ooopack, tcpi_snd_zerowin;
  std::array<std::uint32_t, 26> reserved;
};
static_assert(sizeof(TcpInfo) == 236 && offsetof(TcpInfo, tcpi_rto) == 8 &&
              offsetof(TcpInfo, tcpi_rtt) == 68 && offsetof(TcpInfo, tcpi_rcv_space) == 96 &&
              offsetof(TcpInfo, tcpi_snd_wnd) == 100);

struct IpMreqSource {
  std::uint32_t imr_multiaddr, imr_sourceaddr, imr_interface;  // Linux has the last two the other way round
};
static_assert(sizeof(IpMreqSource) == 12);

/// group_req and group_source_req: an interface, then one or two sockaddr_storage of 128 bytes. Only the
/// head of each address differs from Linux.
inline constexpr std::size_t kGroupReqAddress = 8, kGroupReqSize = 136, kGroupSourceReqSize = 264;
inline constexpr std::size_t kSockaddrStorageSize = 128;

// Options that need more than the number the table has for them.
inline constexpr int kSoTimestamp = 0x400, kSoBintime = 0x2000, kSoTsClock = 0x1017;
inline constexpr int kSoNosigpipe = 0x800;
inline constexpr int kSoAcceptFilter = 0x1000;
inline constexpr int kSoListenQlimit = 0x1011, kSoListenQlen = 0x1012, kSoListenIncqlen = 0x1013;
inline constexpr int kLocalPeercred = 1;  // level 0 of local sockets
inline constexpr int kLocalCreds = 2;
inline constexpr int kLocalCredsPersistent = 3;
inline constexpr int kIpRecvDstAddrOption = 7;
inline constexpr int kIpRecvIfOption = 20;
inline constexpr int kIpOrigDstAddr = 27;
inline constexpr int kIpDontfrag = 67;
inline constexpr int kIpMsfilter = 74;
inline constexpr int kIpv6Pathmtu = 44;
inline constexpr int kIpv6Nexthop = 48;
inline constexpr int kIcmp6Filter = 18;  // level IPPROTO_ICMPV6
inline constexpr std::int32_t kIpv6OrigDstAddr = 72;

}  // namespace sudrun::abi::bsd::guest
