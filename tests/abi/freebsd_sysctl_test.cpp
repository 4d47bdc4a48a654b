// The sysctl tree: its own consistency, the rules of the call, and answers about this machine.
#include <arpa/inet.h>
#include <net/if.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "abi/bsd/sysctl_layout.hpp"
#include "abi/bsd/sysctl_tree.hpp"
#include "abi/freebsd/freebsd.hpp"
#include "abi/freebsd/route_layout.hpp"
#include "abi/table_files.hpp"
#include "tests/abi/real_host.hpp"
#include "tests/support/run.hpp"

using namespace sudrun::abi;
using namespace sudrun::abi::bsd;
using namespace sudrun::abi::freebsd;
using sudrun::test::guest;
using sudrun::test::GuestArena;
using sudrun::test::RealHost;

namespace {

const SysctlTree& tree() {
  static const freebsd::FreeBsd system;
  return system.sysctl_tree();
}

using Oid = std::vector<int>;

struct Answer {
  int error = 0;
  std::uint64_t length = 0;
  std::string bytes;
};

/// One test's guest: a host, and memory the calls read and write.
class Machine {
 public:
  RealHost host;
  GuestArena arena{4 << 20};
  const SysctlTree* nodes = &tree();

  Machine() { host.program = "/guest/bin/program"; }

  Answer ask(const Oid& oid, std::uint64_t room, const void* new_value = nullptr,
             std::uint64_t new_length = 0) {
    char* buffer = arena.make<char>(room + 1);
    Answer answer = run(oid, guest(buffer), room, new_value, new_length);
    if (answer.error == 0 || answer.error == ENOMEM) answer.bytes.assign(buffer, answer.length);
    return answer;
  }
  Answer size(const Oid& oid) { return run(oid, GuestAddr{}, 0, nullptr, 0); }
  Oid oid_of(std::string_view name) {
    char* text = arena.make<char>(name.size());
    std::memcpy(text, name.data(), name.size());
    const Answer answer = ask({0, 3}, kMaxName * sizeof(int), text, name.size());
    if (answer.error != 0) return {};
    Oid oid(answer.bytes.size() / sizeof(int));
    std::memcpy(oid.data(), answer.bytes.data(), answer.bytes.size());
    return oid;
  }
  Answer value(std::string_view name) {
    const Oid oid = oid_of(name);
    REQUIRE(!oid.empty());
    return ask(oid, 4096);
  }
  std::string text(std::string_view name) {
    const Answer answer = value(name);
    REQUIRE(answer.error == 0);
    REQUIRE(!answer.bytes.empty());
    REQUIRE(answer.bytes.back() == '\0');
    return answer.bytes.substr(0, answer.bytes.size() - 1);
  }
  template <typename T>
  T number(std::string_view name) {
    const Answer answer = value(name);
    REQUIRE(answer.error == 0);
    REQUIRE(answer.bytes.size() == sizeof(T));
    T result{};
    std::memcpy(&result, answer.bytes.data(), sizeof result);
    return result;
  }

 private:
  Answer run(const Oid& oid, GuestAddr old, std::uint64_t room, const void* new_value,
             std::uint64_t new_length) {
    Answer answer;
    answer.error =
        run_sysctl(host, *nodes, "15.0", {oid, old, room, guest(new_value), new_length}, answer.length);
    return answer;
  }
};

Oid joined(Oid prefix, std::span<const int> rest) {
  prefix.insert(prefix.end(), rest.begin(), rest.end());
  return prefix;
}

template <typename T>
T at(const std::string& bytes, std::size_t offset) {
  T value{};
  REQUIRE(offset + sizeof value <= bytes.size());
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

constexpr std::size_t rounded(std::size_t length) { return length == 0 ? 8 : (length + 7) & ~std::size_t{7}; }

/// The addresses of a routing message, by their RTAX_ index; empty where there is none.
std::vector<std::string> addresses(const std::string& message, std::size_t from, std::int32_t which) {
  std::vector<std::string> found(8);
  for (std::size_t i = 0; i < found.size(); ++i) {
    if ((which >> i & 1) == 0) continue;
    const auto length = at<std::uint8_t>(message, from);
    found[i] = message.substr(from, length);
    from += rounded(length);
  }
  return found;
}

std::vector<std::string> messages(const std::string& bytes) {
  std::vector<std::string> list;
  for (std::size_t offset = 0; offset < bytes.size();) {
    const auto length = at<std::uint16_t>(bytes, offset);
    REQUIRE(length >= 4);
    REQUIRE(offset + length <= bytes.size());
    REQUIRE(at<std::uint8_t>(bytes, offset + 2) == kRtVersion);
    list.push_back(bytes.substr(offset, length));
    offset += length;
  }
  return list;
}

}  // namespace

TEST_CASE("every sysctl node has one name, one number and a parent of both", "[sysctl]") {
  std::set<std::string_view> names;
  std::set<Oid> numbers;
  for (const SysctlNode& node : tree().nodes()) {
    INFO(node.name);
    CHECK(names.insert(node.name).second);
    CHECK(numbers.insert(Oid(node.oid().begin(), node.oid().end())).second);
    CHECK(std::ranges::count(node.name, '.') == node.depth - 1);
    CHECK((node.provider != nullptr || node.type == CtlType::node));
    if (node.depth == 1) continue;
    const SysctlNode* parent = tree().exact(node.oid().first(node.depth - 1U));
    REQUIRE(parent != nullptr);
    CHECK(parent->name == node.name.substr(0, node.name.rfind('.')));
  }
}

TEST_CASE("names and numbers of sysctl nodes lead to each other", "[sysctl]") {
  Machine machine;
  for (const SysctlNode& node : tree().nodes()) {
    INFO(node.name);
    const Oid oid(node.oid().begin(), node.oid().end());
    CHECK(machine.oid_of(node.name) == oid);
    const Answer name = machine.ask(joined({0, 1}, oid), 256);
    CHECK(name.error == 0);
    CHECK(name.bytes == std::string(node.name) + '\0');
    const Answer format = machine.ask(joined({0, 4}, oid), 256);
    CHECK(format.error == 0);
    CHECK((at<std::uint32_t>(format.bytes, 0) & 0xf) == static_cast<std::uint32_t>(node.type));
    CHECK(format.bytes.substr(4) == std::string(node.format) + '\0');
  }
  CHECK(machine.ask({0, 1, 1, 14, 12, -1}, 256).bytes == std::string("kern.proc.pathname.-1\0", 22));
  CHECK(machine.oid_of("kern.nothing").empty());
  CHECK(machine.oid_of("kern.ostype.") == Oid{1, 1});
}

TEST_CASE("walking the sysctl tree visits every listed leaf in order", "[sysctl]") {
  Machine machine;
  std::size_t listed = 0;
  for (const SysctlNode& node : tree().nodes()) listed += node.provider != nullptr && !node.hidden ? 1 : 0;
  Oid here{1};
  std::size_t visited = 0;
  for (;;) {
    const Answer next = machine.ask(joined({0, 2}, here), kMaxName * sizeof(int));
    if (next.error == ENOENT) break;
    REQUIRE(next.error == 0);
    Oid there(next.bytes.size() / sizeof(int));
    std::memcpy(there.data(), next.bytes.data(), next.bytes.size());
    REQUIRE(here < there);
    here = there;
    ++visited;
  }
  CHECK(visited == listed);
}

TEST_CASE("every sysctl without arguments answers, and as long as it said it would", "[sysctl]") {
  Machine machine;
  for (const SysctlNode& node : tree().nodes()) {
    if (node.provider == nullptr || node.type == CtlType::node) continue;
    INFO(node.name);
    const Oid oid(node.oid().begin(), node.oid().end());
    const Answer size = machine.size(oid);
    if (node.name == "kern.ps_strings") {
      CHECK(size.error == ENOENT);
      continue;
    }
    CHECK(size.error == 0);
    CHECK(size.length > 0);
    const Answer answer = machine.ask(oid, 4096);
    CHECK(answer.error == 0);
    CHECK(answer.length == size.length);
  }
}

TEST_CASE("sysctl lengths, truncation and refusals", "[sysctl]") {
  Machine machine;
  const Oid ostype{1, 1};
  CHECK(machine.size(ostype).length == 8);
  Answer answer = machine.ask(ostype, 4);
  CHECK(answer.error == ENOMEM);
  CHECK(answer.bytes == "Free");
  answer = machine.ask(ostype, 8);
  CHECK(answer.error == 0);
  CHECK(answer.bytes == std::string("FreeBSD\0", 8));

  CHECK(machine.ask({1, 9999}, 64).error == ENOENT);
  CHECK(machine.ask({77, 1}, 64).error == ENOENT);
  CHECK(machine.ask({1, 14}, 64).error == EISDIR);
  CHECK(machine.ask(ostype, 64, "x", 1).error == EPERM);

  std::uint64_t length = 0;
  CHECK(run_sysctl(machine.host, tree(), "15.0", {ostype, guest_addr(0x1000), 64, {}, 0}, length) == EFAULT);
}

TEST_CASE("a table says what sysctl nodes answer", "[sysctl]") {
  const sudrun::test::TemporaryDirectory directory;
  sudrun::test::write_file(directory / "mine.yaml",
                           "extends: freebsd-amd64\n"
                           "sysctl: {kern.maxproc: 99, kern.hostname: elsewhere, hw.physmem: 0x100000000}\n");
  const LoadedTable loaded = load_table_file(directory / "mine.yaml", TablePath("/nonexistent"));
  freebsd::FreeBsd system;
  system.bind(loaded.table);
  Machine machine;
  machine.nodes = &system.sysctls();
  CHECK(machine.number<std::int32_t>("kern.maxproc") == 99);
  CHECK(machine.text("kern.hostname") == "elsewhere");
  CHECK(machine.number<std::uint64_t>("hw.physmem") == 0x1'0000'0000);
  CHECK(machine.text("kern.ostype") == "FreeBSD");
}

TEST_CASE("the kernel describes itself as the table's release", "[sysctl]") {
  Machine machine;
  CHECK(machine.text("kern.ostype") == "FreeBSD");
  CHECK(machine.text("kern.osrelease") == "15.0-RELEASE");
  CHECK(machine.text("kern.version").starts_with("FreeBSD 15.0-RELEASE"));
  CHECK(machine.number<std::int32_t>("kern.osreldate") == 1'500'000);
  CHECK(machine.text("hw.machine") == "amd64");
  CHECK(machine.number<std::int32_t>("hw.pagesize") == 4096);
  CHECK(machine.number<std::int32_t>("security.jail.jailed") == 0);
  CHECK(release_name("FreeBSD 14.3-RELEASE, amd64") == "14.3-RELEASE");
  CHECK(release_name("") == "15.0-RELEASE");
}

TEST_CASE("the machine is described as the host is", "[sysctl]") {
  Machine machine;
  CHECK(machine.number<std::int32_t>("hw.ncpu") == sysconf(_SC_NPROCESSORS_ONLN));
  CHECK(machine.number<std::int32_t>("kern.smp.cpus") == sysconf(_SC_NPROCESSORS_ONLN));
  const auto pages = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES));
  CHECK(machine.number<std::uint64_t>("hw.physmem") / 4096 == pages);
  char name[256]{};
  gethostname(name, sizeof name - 1);
  CHECK(machine.text("kern.hostname") == name);
  CHECK(machine.number<std::int32_t>("net.inet.ip.portrange.first") < 65'536);

  const Answer boot = machine.value("kern.boottime");
  REQUIRE(boot.bytes.size() == 16);
  CHECK(at<std::int64_t>(boot.bytes, 0) < time(nullptr));
  CHECK(at<std::int64_t>(boot.bytes, 0) > 1'000'000'000);
  const Answer load = machine.value("vm.loadavg");
  REQUIRE(load.bytes.size() == 24);
  CHECK(at<std::int64_t>(load.bytes, 16) == 2048);
}

TEST_CASE("random bytes come in the number asked for", "[sysctl]") {
  Machine machine;
  const Answer a = machine.ask({1, 37}, 32);
  const Answer b = machine.ask({1, 37}, 32);
  CHECK(a.bytes.size() == 32);
  CHECK(a.bytes != b.bytes);
}

TEST_CASE("a program learns its own path and arguments, not the runtime's", "[sysctl]") {
  Machine machine;
  for (const int pid : {-1, static_cast<int>(getpid())})
    CHECK(machine.ask({1, 14, 12, pid}, 256).bytes == std::string("/guest/bin/program\0", 19));
  CHECK(machine.ask({1, 14, 12, 1 << 30}, 256).error == ESRCH);
  CHECK(machine.ask({1, 14, 12}, 256).error == EINVAL);

  char* strings = machine.arena.make<char>(16);
  std::memcpy(strings, "a\0bc\0", 6);
  auto* argv = machine.arena.make<Word>(3);
  argv[0] = word_of(guest(strings));
  argv[1] = word_of(guest(strings + 2));
  auto* block = machine.arena.make<PsStrings>();
  block->argv = word_of(guest(argv));
  block->argc = 2;
  machine.host.top_of_stack = word_of(guest(block + 1));
  CHECK(machine.ask({1, 14, 7, -1}, 256).bytes == std::string("a\0bc\0", 5));
  CHECK(machine.number<std::uint64_t>("kern.ps_strings") == word_of(guest(block)));
  CHECK(machine.number<std::uint64_t>("kern.usrstack") == machine.host.top_of_stack);
  block->argv = 0x1000;
  CHECK(machine.ask({1, 14, 7, -1}, 256).error == EFAULT);
}

TEST_CASE("process records name the process, its parent and its owner", "[sysctl]") {
  Machine machine;
  const int self = getpid();
  const Answer own = machine.ask({1, 14, 1, self}, sizeof(KinfoProc));
  REQUIRE(own.error == 0);
  const auto info = at<KinfoProc>(own.bytes, 0);
  CHECK(info.structsize == 1088);
  CHECK(info.pid == self);
  CHECK(info.ppid == getppid());
  CHECK(info.pgid == getpgrp());
  CHECK(info.sid == getsid(0));
  CHECK(info.uid == geteuid());
  CHECK(info.ruid == getuid());
  CHECK(std::string(info.comm) == "program");
  CHECK(info.size > 0);
  CHECK(info.start[0] > 1'000'000'000);
  CHECK(info.start[0] <= time(nullptr));

  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  const Answer other = machine.ask({1, 14, 1, child}, sizeof(KinfoProc));
  REQUIRE(other.error == 0);
  CHECK(at<KinfoProc>(other.bytes, 0).ppid == self);
  kill(child, SIGKILL);
  siginfo_t ended{};
  waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT);
  CHECK(at<KinfoProc>(machine.ask({1, 14, 1, child}, sizeof(KinfoProc)).bytes, 0).stat == 5);  // SZOMB
  waitpid(child, nullptr, 0);
  CHECK(machine.ask({1, 14, 1, child}, sizeof(KinfoProc)).error == ESRCH);

  const Answer room = machine.size({1, 14, 8});
  CHECK(room.error == 0);
  const Answer all = machine.ask({1, 14, 8}, room.length + 64 * sizeof(KinfoProc));
  CHECK(all.error == 0);
  CHECK(all.length % sizeof(KinfoProc) == 0);
  bool found = false;
  for (std::size_t at_byte = 0; at_byte < all.length; at_byte += sizeof(KinfoProc))
    found = found || at<KinfoProc>(all.bytes, at_byte).pid == self;
  CHECK(found);
}

TEST_CASE("interfaces and their addresses are listed in both forms of message", "[sysctl]") {
  Machine machine;
  const bool longer = GENERATE(false, true);
  const Oid list{4, 17, 0, 0, longer ? kNetRtIfListl : kNetRtIfList, 0};
  const std::size_t link_header = longer ? sizeof(IfMsghdrl) : sizeof(IfMsghdr);
  const std::size_t address_header = longer ? sizeof(IfaMsghdrl) : sizeof(IfaMsghdr);
  const Answer size = machine.size(list);
  REQUIRE(size.error == 0);
  const Answer answer = machine.ask(list, size.length);
  REQUIRE(answer.error == 0);
  CHECK(answer.length == size.length);

  bool loopback = false, localhost = false;
  std::uint16_t current = 0;
  for (const std::string& message : messages(answer.bytes)) {
    const auto type = at<std::uint8_t>(message, 3);
    const auto which = at<std::int32_t>(message, 4);
    const auto flags = at<std::int32_t>(message, 8);
    const auto index = at<std::uint16_t>(message, 12);
    CHECK(message.size() % 8 == 0);
    if (type == kRtmIfInfo) {
      current = index;
      CHECK(which == kRtaIfp);
      const std::string link = addresses(message, link_header, which)[4];
      REQUIRE(link.size() == sizeof(GuestSockaddrDl));
      const auto dl = at<GuestSockaddrDl>(link, 0);
      CHECK(dl.family == kAfLink);
      CHECK(dl.index == index);
      const std::string name(dl.data, dl.name_length);
      CHECK(if_nametoindex(name.c_str()) == index);
      if (name == "lo") {
        loopback = true;
        CHECK((flags & 0x8) != 0);  // IFF_LOOPBACK
        CHECK(dl.type == kIftLoop);
      }
    } else {
      CHECK(type == kRtmNewAddr);
      CHECK(index == current);
      const auto found = addresses(message, address_header, which);
      REQUIRE(!found[5].empty());
      CHECK(found[2].size() == found[5].size());  // the netmask is whole
      if (at<std::uint8_t>(found[5], 1) != kAfInet) continue;
      const auto in = at<GuestSockaddrIn>(found[5], 0);
      const auto mask = at<GuestSockaddrIn>(found[2], 0);
      if (in.address[0] != 127) continue;
      localhost = true;
      CHECK(mask.address[0] == 255);
      CHECK(mask.address[3] == 0);
    }
  }
  CHECK(loopback);
  CHECK(localhost);

  CHECK(machine.ask(list, size.length - 1).error == ENOMEM);
  CHECK(machine.ask({4, 17, 0, 0, kNetRtIfList, 1 << 20}, 64).length == 0);
  CHECK(machine.ask({4, 17, 0, 0, 99, 0}, 64).error == EINVAL);
}

TEST_CASE("the routing table's messages are whole", "[sysctl]") {
  Machine machine;
  const Answer size = machine.size({4, 17, 0, 0, kNetRtDump, 0});
  REQUIRE(size.error == 0);
  const Answer answer = machine.ask({4, 17, 0, 0, kNetRtDump, 0}, size.length + 4096);
  REQUIRE(answer.error == 0);
  for (const std::string& message : messages(answer.bytes)) {
    const auto header = at<RtMsghdr>(message, 0);
    CHECK(header.type == kRtmGet);
    CHECK((header.flags & kRtfUp) != 0);
    const auto found = addresses(message, sizeof(RtMsghdr), header.addrs);
    CHECK(!found[0].empty());
    CHECK(!found[1].empty());
  }
}
