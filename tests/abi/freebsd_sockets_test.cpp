// Socket addresses, control messages and option values between FreeBSD and Linux.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "abi/bsd/control.hpp"
#include "abi/bsd/sockaddr.hpp"
#include "abi/bsd/socket_values.hpp"
#include "abi/bsd/sockets_layout.hpp"

using namespace sudrun::abi;
using namespace sudrun::abi::bsd;

namespace {

using Bytes = std::vector<std::byte>;

template <typename T>
Bytes bytes_of(const T& value) {
  Bytes bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

template <typename T>
T value_of(std::span<const std::byte> bytes) {
  T value{};
  REQUIRE(bytes.size() >= sizeof value);
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

/// Memory whose end is the end of the mapped world: reading past a span that ends there faults.
class Edge {
 public:
  Edge() : page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) {
    base_ = static_cast<std::byte*>(
        mmap(nullptr, 3 * page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    REQUIRE(base_ != MAP_FAILED);
    REQUIRE(mprotect(base_ + 2 * page_, page_, PROT_NONE) == 0);
  }
  ~Edge() { munmap(base_, 3 * page_); }
  Edge(const Edge&) = delete;
  Edge& operator=(const Edge&) = delete;

  std::span<std::byte> last(std::size_t size) { return {base_ + 2 * page_ - size, size}; }
  std::span<std::byte> copy(std::span<const std::byte> bytes) {
    const auto to = last(bytes.size());
    std::copy(bytes.begin(), bytes.end(), to.begin());
    return to;
  }

 private:
  std::size_t page_;
  std::byte* base_;
};

guest::SockaddrUn unix_name(std::string_view path) {
  guest::SockaddrUn name{};
  name.sun_family = guest::kAfUnix;
  path.copy(name.sun_path.data(), name.sun_path.size());
  return name;
}

Bytes cmsg(int level, int type, const Bytes& data, bool padded = true) {
  const guest::Cmsghdr header{static_cast<std::uint32_t>(guest::kCmsgData + data.size()), level, type};
  Bytes out = bytes_of(header);
  out.resize(guest::kCmsgData);
  out.insert(out.end(), data.begin(), data.end());
  if (padded) out.resize(guest::cmsg_align(out.size()));
  return out;
}

Bytes native_cmsg(int level, int type, const Bytes& data) {
  cmsghdr header{};
  header.cmsg_len = CMSG_LEN(data.size());
  header.cmsg_level = level;
  header.cmsg_type = type;
  Bytes out = bytes_of(header);
  out.insert(out.end(), data.begin(), data.end());
  out.resize(CMSG_SPACE(data.size()));
  return out;
}

struct Received {
  ReceivedControl result;
  Bytes bytes;
  std::array<int, kMaxPassedDescriptors> dropped{};
};

Received receive(const Bytes& native, std::size_t room, CredentialForm form = CredentialForm::sockcred2) {
  Received r;
  r.bytes.resize(room);
  r.result = control_to_guest(native, r.bytes, form, r.dropped);
  return r;
}

}  // namespace

TEST_CASE("an IPv4 address keeps port and address and ignores sa_len") {
  guest::SockaddrIn in{};
  in.sin_len = 77;
  in.sin_family = guest::kAfInet;
  in.sin_port = htons(8080);
  in.sin_addr = {127, 0, 0, 1};
  NativeAddress native;
  REQUIRE(sockaddr_to_native(bytes_of(in), native) == 0);
  REQUIRE(native.size == sizeof(sockaddr_in));
  const auto out = value_of<sockaddr_in>(native.bytes);
  CHECK(out.sin_family == AF_INET);
  CHECK(out.sin_port == htons(8080));
  CHECK(out.sin_addr.s_addr == htonl(INADDR_LOOPBACK));

  const GuestAddress back = sockaddr_to_guest({native.bytes.data(), native.size});
  CHECK(back.size == 16);
  const auto again = value_of<guest::SockaddrIn>(back.bytes);
  CHECK(again.sin_len == 16);
  CHECK(again.sin_addr == in.sin_addr);
}

TEST_CASE("an IPv6 address keeps flow and scope") {
  guest::SockaddrIn6 in{};
  in.sin6_family = guest::kAfInet6;
  in.sin6_port = htons(53);
  in.sin6_flowinfo = htonl(0x12345);
  in.sin6_addr = {0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  in.sin6_scope_id = 3;
  NativeAddress native;
  REQUIRE(sockaddr_to_native(bytes_of(in), native) == 0);
  const auto out = value_of<sockaddr_in6>(native.bytes);
  CHECK(out.sin6_family == AF_INET6);
  CHECK(out.sin6_scope_id == 3);
  CHECK(out.sin6_flowinfo == htonl(0x12345));
  const auto back = value_of<guest::SockaddrIn6>(sockaddr_to_guest({native.bytes.data(), native.size}).bytes);
  CHECK(back.sin6_len == 28);
  CHECK(back.sin6_family == guest::kAfInet6);
  CHECK(back.sin6_addr == in.sin6_addr);
  CHECK(back.sin6_scope_id == 3);
}

TEST_CASE("internet addresses of another length are refused") {
  guest::SockaddrIn in{};
  in.sin_family = guest::kAfInet;
  Bytes bytes = bytes_of(in);
  NativeAddress native;
  bytes.resize(15);
  CHECK(sockaddr_to_native(bytes, native) == -EINVAL);
  bytes.resize(28);
  CHECK(sockaddr_to_native(bytes, native) == -EINVAL);
  bytes[1] = std::byte{guest::kAfInet6};
  CHECK(sockaddr_to_native(bytes, native) == 0);
  bytes.resize(32);
  CHECK(sockaddr_to_native(bytes, native) == -EINVAL);
}

TEST_CASE("a local path may end with its NUL, with its length, or fill the address") {
  const Bytes full = bytes_of(unix_name("/tmp/s"));
  for (const std::size_t size : {std::size_t{2 + 6}, std::size_t{2 + 7}, full.size()}) {
    NativeAddress native;
    REQUIRE(sockaddr_to_native(std::span(full).first(size), native) == 0);
    CHECK(native.family() == AF_UNIX);
    CHECK(local_path(native) == "/tmp/s");
    CHECK(native.size == 2 + 7);
  }
  const std::string longest(104, 'x');
  NativeAddress native;
  REQUIRE(sockaddr_to_native(bytes_of(unix_name(longest)), native) == 0);
  CHECK(local_path(native) == longest);
  const GuestAddress back = sockaddr_to_guest({native.bytes.data(), native.size});
  CHECK(back.size == sizeof(guest::SockaddrUn));
}

TEST_CASE("a local path that is empty, missing or too long does not become an abstract name") {
  NativeAddress native;
  Bytes bytes = bytes_of(unix_name(""));
  CHECK(sockaddr_to_native(bytes, native) == -ENOENT);
  CHECK(sockaddr_to_native(std::span(bytes).first(3), native) == -ENOENT);
  CHECK(sockaddr_to_native(std::span(bytes).first(2), native) == -EINVAL);
  bytes[2] = std::byte{'x'};
  bytes.push_back(std::byte{0});
  CHECK(sockaddr_to_native(bytes, native) == -EINVAL);
}

TEST_CASE("unnamed and abstract local sockets have FreeBSD's nameless address") {
  sockaddr_un native{};
  native.sun_family = AF_UNIX;
  for (const std::size_t size : {std::size_t{2}, std::size_t{8}}) {  // the latter: abstract
    const GuestAddress guest = sockaddr_to_guest(std::span<const std::byte>(bytes_of(native)).first(size));
    CHECK(guest.size == 16);
    CHECK(guest.bytes[0] == std::byte{16});
    CHECK(guest.bytes[1] == std::byte{guest::kAfUnix});
    CHECK(guest.bytes[2] == std::byte{0});
  }
}

TEST_CASE("a native path longer than FreeBSD's is cut") {
  sockaddr_un native{};
  native.sun_family = AF_UNIX;
  std::memset(native.sun_path, 'y', sizeof native.sun_path);
  const GuestAddress guest = sockaddr_to_guest(bytes_of(native));
  CHECK(guest.size == 106);
  CHECK(guest.bytes[0] == std::byte{106});
}

TEST_CASE("families without a native form are refused") {
  Bytes bytes(16);
  NativeAddress native;
  for (unsigned family = 0; family < 256; ++family) {
    bytes[1] = static_cast<std::byte>(family);
    const NativeResult result = sockaddr_to_native(bytes, native);
    switch (family) {
      case guest::kAfUnspec:
      case guest::kAfInet:
        CHECK(result == 0);
        break;
      case guest::kAfUnix:
        CHECK(result == -ENOENT);
        break;
      case guest::kAfInet6:
        CHECK(result == -EINVAL);
        break;
      default:
        CHECK(result == -EAFNOSUPPORT);
    }
  }
}

TEST_CASE("a path relative to a directory goes through /proc/self/fd") {
  NativeAddress native;
  REQUIRE(sockaddr_to_native(bytes_of(unix_name("sock")), native) == 0);
  REQUIRE(make_relative_to(native, 12) == 0);
  CHECK(local_path(native) == "/proc/self/fd/12/sock");
  CHECK(native.size == 2 + 22);

  REQUIRE(sockaddr_to_native(bytes_of(unix_name("/abs")), native) == 0);
  REQUIRE(make_relative_to(native, 12) == 0);
  CHECK(local_path(native) == "/abs");

  REQUIRE(sockaddr_to_native(bytes_of(unix_name(std::string(100, 'a'))), native) == 0);
  CHECK(make_relative_to(native, 12) == -ENAMETOOLONG);
}

TEST_CASE("address conversion never reads past the length given") {
  Edge edge;
  std::mt19937 random(1);
  constexpr std::array<std::uint8_t, 5> kFamilies{0, 1, 2, 28, 18};
  for (int round = 0; round < 20000; ++round) {
    const std::size_t size = random() % 300;
    const auto bytes = edge.last(size);
    for (auto& b : bytes) b = static_cast<std::byte>(1 + random() % 255);
    if (size > 1) bytes[1] = static_cast<std::byte>(kFamilies[random() % kFamilies.size()]);
    NativeAddress native;
    const NativeResult result = sockaddr_to_native(bytes, native);
    CHECK((result == 0 || is_error(result)));
    CHECK(native.size <= native.bytes.size());
    if (result == 0) make_relative_to(native, 7);

    const auto answer = edge.last(size % 129);
    if (answer.size() > 1) {
      const sa_family_t family =
          std::array<sa_family_t, 4>{AF_UNIX, AF_INET, AF_INET6, AF_NETLINK}[random() % 4];
      std::memcpy(answer.data(), &family, sizeof family);
    }
    const GuestAddress guest = sockaddr_to_guest(answer);
    CHECK(guest.size <= sizeof(guest::SockaddrUn));
    CHECK(guest.size >= 16u - 14u);
    CHECK(std::to_integer<std::size_t>(guest.bytes[0]) == guest.size);
  }
}

TEST_CASE("passed descriptors keep their numbers in both directions") {
  const std::array<int, 3> fds{3, 9, 1000};
  std::array<std::byte, 256> native;
  const NativeResult used =
      control_to_native(cmsg(guest::kSolSocket, guest::kScmRights, bytes_of(fds)), native);
  REQUIRE(used == CMSG_SPACE(sizeof fds));
  const auto header = value_of<cmsghdr>(native);
  CHECK(header.cmsg_len == CMSG_LEN(sizeof fds));
  CHECK(header.cmsg_level == SOL_SOCKET);
  CHECK(header.cmsg_type == SCM_RIGHTS);
  CHECK(value_of<std::array<int, 3>>(std::span(native).subspan(16)) == fds);

  const Received back = receive(Bytes(native.begin(), native.begin() + used), 64);
  CHECK_FALSE(back.result.truncated);
  CHECK(back.result.size == 32);
  const auto guest_header = value_of<guest::Cmsghdr>(back.bytes);
  CHECK(guest_header.cmsg_len == 28);
  CHECK(guest_header.cmsg_level == guest::kSolSocket);
  CHECK(guest_header.cmsg_type == guest::kScmRights);
  CHECK(value_of<std::array<int, 3>>(std::span(back.bytes).subspan(16)) == fds);
}

TEST_CASE("descriptors that do not fit are handed back to be closed") {
  const std::array<int, 4> fds{5, 6, 7, 8};
  const Bytes native = native_cmsg(SOL_SOCKET, SCM_RIGHTS, bytes_of(fds));
  Received r = receive(native, 24);
  CHECK(r.result.truncated);
  CHECK(r.result.size == 24);
  CHECK(value_of<guest::Cmsghdr>(r.bytes).cmsg_len == 24);
  REQUIRE(r.result.dropped == 2);
  CHECK(r.dropped[0] == 7);
  CHECK(r.dropped[1] == 8);

  r = receive(native, 10);
  CHECK(r.result.truncated);
  CHECK(r.result.size == 0);
  CHECK(r.result.dropped == 4);
}

TEST_CASE("the last control message needs no padding") {
  const Bytes one = cmsg(guest::kSolSocket, guest::kScmRights, bytes_of(5), false);
  REQUIRE(one.size() == 20);
  std::array<std::byte, 64> native;
  CHECK(control_to_native(one, native) == CMSG_SPACE(sizeof(int)));
  const Received r = receive(native_cmsg(SOL_SOCKET, SCM_RIGHTS, bytes_of(5)), 20);
  CHECK_FALSE(r.result.truncated);
  CHECK(r.result.size == 20);
}

TEST_CASE("several messages are all converted") {
  Bytes two = cmsg(guest::kIpprotoIpv6, guest::kIpv6Hoplimit, bytes_of(64));
  const Bytes second = cmsg(guest::kIpprotoIp, guest::kIpTos, Bytes{std::byte{0x10}});
  two.insert(two.end(), second.begin(), second.end());
  std::array<std::byte, 128> native;
  REQUIRE(control_to_native(two, native) == 2 * CMSG_SPACE(sizeof(int)));
  const auto header = value_of<cmsghdr>(std::span(native).subspan(CMSG_SPACE(sizeof(int))));
  CHECK(header.cmsg_level == IPPROTO_IP);
  CHECK(header.cmsg_type == IP_TOS);
  CHECK(value_of<int>(std::span(native).subspan(CMSG_SPACE(sizeof(int)) + 16)) == 0x10);
}

TEST_CASE("malformed and unknown messages are refused when sent") {
  std::array<std::byte, kNativeControlRoom> native;
  const Bytes good = cmsg(guest::kSolSocket, guest::kScmRights, bytes_of(5));
  CHECK(control_to_native(std::span(good).first(11), native) == -EINVAL);
  CHECK(control_to_native(std::span(good).first(19), native) == -EINVAL);
  CHECK(control_to_native({}, native) == 0);

  guest::Cmsghdr header{15, guest::kSolSocket, guest::kScmRights};
  Bytes bad = bytes_of(header);
  bad.resize(24);
  CHECK(control_to_native(bad, native) == -EINVAL);

  CHECK(control_to_native(cmsg(guest::kSolSocket, 99, bytes_of(5)), native) == -EINVAL);
  CHECK(control_to_native(cmsg(132, 1, bytes_of(5)), native) == -EINVAL);
  CHECK(control_to_native(cmsg(guest::kSolSocket, guest::kScmCreds, bytes_of(5)), native) == -EINVAL);
  CHECK(control_to_native(Bytes(guest::kMaxSendControl + 8), native) == -EINVAL);
}

TEST_CASE("credentials a sender volunteers are its own, whatever it says") {
  std::array<std::byte, 256> native;
  guest::Cmsgcred lie{};
  lie.cmcred_pid = 1;
  const Bytes asked = cmsg(guest::kSolSocket, guest::kScmCreds, bytes_of(lie));
  CHECK(sends_credentials(asked));
  CHECK_FALSE(sends_credentials(cmsg(guest::kSolSocket, guest::kScmRights, bytes_of(5))));
  REQUIRE(control_to_native(asked, native, {123, 1000, 100}) == CMSG_SPACE(sizeof(ucred)));
  CHECK(value_of<cmsghdr>(native).cmsg_type == SCM_CREDENTIALS);
  const auto sent = value_of<ucred>(std::span(native).subspan(16));
  CHECK(sent.pid == 123);
  CHECK(sent.uid == 1000);
  CHECK(sent.gid == 100);
}

TEST_CASE("the time of a message comes in the forms that were asked for") {
  const timespec time{10, 500'000'000};
  const Bytes native = native_cmsg(SOL_SOCKET, SO_TIMESTAMPNS, bytes_of(time));
  const auto form = [&](const TimestampForm& times) {
    Received r;
    r.bytes.resize(64);
    r.result = control_to_guest(native, r.bytes, CredentialForm::sockcred2, r.dropped, times);
    r.bytes.resize(r.result.size);
    return r;
  };
  const auto type = [](const Received& r) { return value_of<guest::Cmsghdr>(r.bytes).cmsg_type; };
  const auto data = [](const Received& r) { return std::span(r.bytes).subspan(16); };
  const Received micro = form({true, false, TimestampClock::microseconds, 0});
  CHECK(type(micro) == guest::kScmTimestamp);
  CHECK(value_of<timeval>(data(micro)).tv_usec == 500'000);
  const Received exact = form({true, true, TimestampClock::bintime, 0});
  REQUIRE(exact.bytes.size() == 32);
  CHECK(type(exact) == guest::kScmBintime);
  CHECK(value_of<guest::Bintime>(data(exact)).frac >> 32 == 0x7fff'ffff);
  const Received up = form({true, false, TimestampClock::monotonic, 9'600'000'000});
  CHECK(type(up) == guest::kScmMonotonic);
  CHECK(value_of<timespec>(data(up)).tv_sec == 0);
  CHECK(value_of<timespec>(data(up)).tv_nsec == 900'000'000);
  CHECK(form({false, true, TimestampClock::microseconds, 0}).bytes.size() == 32);
  CHECK(form({true, true, TimestampClock::microseconds, 0}).bytes.size() == 64);
}

TEST_CASE("a source address becomes packet information and a destination address comes back") {
  const std::array<std::uint8_t, 4> address{10, 1, 2, 3};
  std::array<std::byte, 64> native;
  REQUIRE(control_to_native(cmsg(guest::kIpprotoIp, guest::kIpRecvDstAddr, bytes_of(address)), native) > 0);
  const auto info = value_of<in_pktinfo>(std::span(native).subspan(16));
  CHECK(std::memcmp(&info.ipi_spec_dst, address.data(), 4) == 0);
  CHECK(info.ipi_ifindex == 0);

  sockaddr_in to{};
  std::memcpy(&to.sin_addr, address.data(), 4);
  Bytes both = native_cmsg(IPPROTO_IP, IP_ORIGDSTADDR, bytes_of(to));
  in_pktinfo arrived{};
  arrived.ipi_ifindex = 4;
  const Bytes second = native_cmsg(IPPROTO_IP, IP_PKTINFO, bytes_of(arrived));
  both.insert(both.end(), second.begin(), second.end());
  const Received r = receive(both, 64);
  CHECK_FALSE(r.result.truncated);
  CHECK(value_of<guest::Cmsghdr>(r.bytes).cmsg_type == guest::kIpRecvDstAddr);
  CHECK(value_of<guest::Cmsghdr>(r.bytes).cmsg_len == 20);
  CHECK(value_of<std::array<std::uint8_t, 4>>(std::span(r.bytes).subspan(16)) == address);
  const auto link = value_of<guest::SockaddrDlHead>(std::span(r.bytes).subspan(24 + 16));
  CHECK(link.sdl_index == 4);
  CHECK(link.sdl_family == guest::kAfLink);
}

TEST_CASE("hop limits and types of service shrink to a byte for IPv4") {
  Bytes native = native_cmsg(IPPROTO_IP, IP_TTL, bytes_of(64));
  const Bytes tos = native_cmsg(IPPROTO_IP, IP_TOS, Bytes{std::byte{0x2e}});
  native.insert(native.end(), tos.begin(), tos.end());
  const Received r = receive(native, 64);
  CHECK(value_of<guest::Cmsghdr>(r.bytes).cmsg_type == guest::kIpRecvTtl);
  CHECK(value_of<guest::Cmsghdr>(r.bytes).cmsg_len == 17);
  CHECK(r.bytes[16] == std::byte{64});
  CHECK(value_of<guest::Cmsghdr>(std::span(r.bytes).subspan(24)).cmsg_type == guest::kIpRecvTos);
  CHECK(r.bytes[24 + 16] == std::byte{0x2e});
}

TEST_CASE("credentials arrive in the form the receiver asked for") {
  const ucred from{123, 1000, 100};
  const Bytes native = native_cmsg(SOL_SOCKET, SCM_CREDENTIALS, bytes_of(from));
  CHECK(carries(native, SCM_CREDENTIALS));
  const Received always = receive(native, 128);
  CHECK(value_of<guest::Cmsghdr>(always.bytes).cmsg_type == guest::kScmCreds2);
  const auto cred2 = value_of<guest::Sockcred2>(std::span(always.bytes).subspan(16));
  CHECK(cred2.sc_pid == 123);
  CHECK(cred2.sc_euid == 1000);
  CHECK(cred2.sc_egid == 100);
  const Received once = receive(native, 128, CredentialForm::sockcred);
  CHECK(value_of<guest::Cmsghdr>(once.bytes).cmsg_type == guest::kScmCreds);
  CHECK(value_of<guest::Sockcred>(std::span(once.bytes).subspan(16)).sc_uid == 1000);
  const Received sent = receive(native, 128, CredentialForm::cmsgcred);
  CHECK(value_of<guest::Cmsghdr>(sent.bytes).cmsg_len == 100);
  CHECK(value_of<guest::Cmsgcred>(std::span(sent.bytes).subspan(16)).cmcred_pid == 123);
  const Bytes none = native_cmsg(SOL_SOCKET, SCM_CREDENTIALS, bytes_of(ucred{0, 65534, 65534}));
  CHECK(receive(none, 128, CredentialForm::cmsgcred).result.size == 0);
}

TEST_CASE("messages without a FreeBSD form are left out when received") {
  Bytes native = native_cmsg(SOL_SOCKET, 9999, bytes_of(1));
  CHECK_FALSE(carries(native, SCM_CREDENTIALS));
  CHECK(receive(native, 64).result.size == 0);
  CHECK_FALSE(receive(native, 0).result.truncated);
  const Bytes fds = native_cmsg(SOL_SOCKET, SCM_RIGHTS, bytes_of(3));
  native.insert(native.end(), fds.begin(), fds.end());
  CHECK(receive(native, 64).result.size == 24);
}

TEST_CASE("control conversion never reads or writes past the lengths given") {
  Edge from, to;
  std::mt19937 random(2);
  const std::array<int, 4> levels{guest::kSolSocket, SOL_SOCKET, IPPROTO_IP, IPPROTO_IPV6};
  std::array<int, kMaxPassedDescriptors> dropped;
  for (int round = 0; round < 30000; ++round) {
    Bytes bytes;
    for (unsigned n = random() % 4; n > 0; --n) {
      Bytes data(random() % 40);
      for (auto& b : data) b = static_cast<std::byte>(random());
      const int level = levels[random() % levels.size()];
      const int type = static_cast<int>(random() % 80);
      const Bytes m = round % 2 == 0 ? cmsg(level, type, data) : native_cmsg(level, type, data);
      bytes.insert(bytes.end(), m.begin(), m.end());
    }
    if (!bytes.empty() && random() % 2 == 0)
      bytes[random() % bytes.size()] = static_cast<std::byte>(random());
    if (!bytes.empty() && random() % 2 == 0) bytes.resize(random() % bytes.size());
    const auto input = from.copy(bytes);

    const auto native = to.last(random() % 200);
    const NativeResult used = control_to_native(input, native);
    CHECK((is_error(used) || static_cast<std::size_t>(used) <= native.size()));

    const auto guest = to.last(random() % 200);
    const ReceivedControl received = control_to_guest(input, guest, CredentialForm::sockcred, dropped);
    CHECK(received.size <= guest.size());
    CHECK(received.dropped <= dropped.size());
  }
}

TEST_CASE("group requests have their addresses converted in place") {
  Bytes request(guest::kGroupSourceReqSize);
  for (const std::size_t at :
       {guest::kGroupReqAddress, guest::kGroupReqAddress + guest::kSockaddrStorageSize}) {
    guest::SockaddrIn in{};
    in.sin_len = sizeof in;
    in.sin_family = guest::kAfInet;
    in.sin_addr = {224, 0, 0, static_cast<std::uint8_t>(at)};
    std::memcpy(request.data() + at, &in, sizeof in);
  }
  REQUIRE(group_request_to_native(request) == 0);
  const auto group = value_of<sockaddr_in>(std::span(request).subspan(guest::kGroupReqAddress));
  CHECK(group.sin_family == AF_INET);
  CHECK(ntohl(group.sin_addr.s_addr) == 0xe0000008);
  Bytes other(guest::kGroupReqSize);
  CHECK(group_request_to_native(other) == -EAFNOSUPPORT);
  CHECK(group_request_to_native(std::span(other).first(100)) == -EINVAL);
}

TEST_CASE("TCP states are renumbered and windows counted in bytes") {
  tcp_info native{};
  native.tcpi_state = TCP_ESTABLISHED;
  native.tcpi_snd_cwnd = 10;
  native.tcpi_snd_mss = 1460;
  native.tcpi_snd_ssthresh = 0x7fffffff;
  native.tcpi_last_data_recv = 5;
  const guest::TcpInfo info = tcp_info_to_guest(native);
  CHECK(info.tcpi_state == 4);
  CHECK(info.tcpi_snd_cwnd == 14600);
  CHECK(info.tcpi_snd_ssthresh == 0xffffffff);
  CHECK(info.tcpi_last_data_recv == 5000);
}

TEST_CASE("peer credentials count the effective group first") {
  const std::vector<std::uint32_t> groups(40, 7);
  const guest::Xucred many = make_xucred(1, 2, 3, groups);
  CHECK(many.cr_ngroups == 16);
  CHECK(many.cr_groups[0] == 3);
  CHECK(many.cr_groups[15] == 7);
  CHECK(many.cr_pid == 1);
  CHECK(make_xucred(1, 2, 3, {}).cr_ngroups == 1);
}
