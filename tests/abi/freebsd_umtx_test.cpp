// _umtx_op(2) with real threads and futexes, driven the way libthr drives it.
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <catch2/catch.hpp>
#include <cerrno>
#include <chrono>
#include <climits>
#include <ctime>
#include <functional>
#include <thread>
#include <vector>

#include "abi/freebsd/thread_id.hpp"
#include "abi/freebsd/umtx.hpp"
#include "abi/freebsd/umtx_layout.hpp"
#include "tests/abi/real_host.hpp"

using namespace sudrun::abi;
using namespace sudrun::abi::freebsd;
using namespace sudrun::abi::freebsd::umtx;
using sudrun::test::guest;
using sudrun::test::GuestArena;
using sudrun::test::RealHost;

namespace {

using Word32 = std::atomic<std::uint32_t>;
using Clock = std::chrono::steady_clock;

constexpr std::uint32_t kRealtime = 0, kMonotonic = 4, kProcessTime = 15;

/// The table's clock_id set, as far as these tests need it.
FlagSet clocks() {
  static const FlagValue values[] = {
      {~0ULL, kRealtime, CLOCK_REALTIME, ~0ULL, 0, FlagValue::Map::exact, {}},
      {~0ULL, kMonotonic, CLOCK_MONOTONIC, ~0ULL, 0, FlagValue::Map::exact, {}},
      {~0ULL, kProcessTime, CLOCK_PROCESS_CPUTIME_ID, ~0ULL, 0, FlagValue::Map::exact, {}},
  };
  return {0, values, true, FlagSet::Unknown::refuse, "clock_id"};
}

Result request(RealHost& host, Op op, const void* object, Word value = 0, const void* addr1 = nullptr,
               const void* addr2 = nullptr) {
  return umtx_op(host, clocks(),
                 {guest(object), static_cast<std::uint32_t>(op), value, guest(addr1), guest(addr2)});
}

const void* size_argument(std::size_t size) { return reinterpret_cast<const void*>(size); }

UmtxTime after(std::chrono::milliseconds delay, std::uint32_t flags, std::uint32_t clock) {
  UmtxTime time{{0, 0}, flags, clock};
  if ((flags & kAbsoluteTime) != 0) {
    timespec now{};
    clock_gettime(clock == kRealtime ? CLOCK_REALTIME : CLOCK_MONOTONIC, &now);
    time.timeout = {now.tv_sec, now.tv_nsec};
  }
  const std::int64_t ns = time.timeout.nsec + delay.count() * 1'000'000;
  time.timeout = {time.timeout.sec + ns / 1'000'000'000, ns % 1'000'000'000};
  return time;
}

bool is_guest_eintr(const Result& result) {
  return result.kind() == Result::Kind::guest_error && result.value() == 4;
}

/// Runs `body` in `count` threads at once, and ends the test program if they do not come to an end.
void in_threads(int count, const std::function<void(RealHost&, int)>& body) {
  std::vector<std::thread> threads;
  alarm(60);
  for (int i = 0; i < count; ++i)
    threads.emplace_back([&body, i] {
      RealHost host;
      body(host, i);
    });
  for (std::thread& thread : threads) thread.join();
  alarm(0);
}

Word32& word(std::uint32_t& value) { return reinterpret_cast<Word32&>(value); }

// What libthr does in user space (lib/libthr/thread/thr_umtx.c, thr_umtx.h).

void libthr_lock(RealHost& host, Umutex& mutex) {
  const auto id = static_cast<std::uint32_t>(own_tid(host));
  std::uint32_t unowned = kUnowned;
  if (word(mutex.owner).compare_exchange_strong(unowned, id)) return;
  for (;;) {
    std::uint32_t owner = word(mutex.owner);
    if ((owner & ~kContested) == 0 && word(mutex.owner).compare_exchange_strong(owner, id | owner)) return;
    request(host, Op::mutex_wait, &mutex);
  }
}

void libthr_unlock(RealHost& host, Umutex& mutex) {
  std::uint32_t owner = word(mutex.owner);
  while (!word(mutex.owner).compare_exchange_strong(owner, kUnowned)) {
  }
  if ((owner & kContested) != 0) request(host, Op::mutex_wake2, &mutex, mutex.flags);
}

bool libthr_sem_try(Usem2& sem) {
  std::uint32_t count = word(sem.count);
  while ((count & kSemCount) != 0)
    if (word(sem.count).compare_exchange_strong(count, count - 1)) return true;
  return false;
}
void libthr_sem_wait(RealHost& host, Usem2& sem) {
  while (!libthr_sem_try(sem)) request(host, Op::sem2_wait, &sem);
}
void libthr_sem_post(RealHost& host, Usem2& sem) {
  if ((word(sem.count).fetch_add(1) & kSemWaiters) != 0) request(host, Op::sem2_wake, &sem);
}

void libthr_rdlock(RealHost& host, Urwlock& lock) {
  std::uint32_t state = word(lock.state);
  while ((state & (kWriteOwner | kWriteWaiters)) == 0)
    if (word(lock.state).compare_exchange_strong(state, state + 1)) return;
  while (!request(host, Op::rw_rdlock, &lock).is_ok()) {
  }
}
void libthr_wrlock(RealHost& host, Urwlock& lock) {
  std::uint32_t state = word(lock.state);
  while ((state & (kWriteOwner | kMaxReaders)) == 0)
    if (word(lock.state).compare_exchange_strong(state, state | kWriteOwner)) return;
  while (!request(host, Op::rw_wrlock, &lock).is_ok()) {
  }
}
void libthr_rwunlock(RealHost& host, Urwlock& lock) {
  std::uint32_t state = word(lock.state);
  if ((state & kWriteOwner) != 0) {
    std::uint32_t alone = kWriteOwner;
    if (word(lock.state).compare_exchange_strong(alone, 0)) return;
  } else {
    while ((state & (kWriteWaiters | kReadWaiters)) == 0 || (state & kMaxReaders) != 1)
      if (word(lock.state).compare_exchange_strong(state, state - 1)) return;
  }
  request(host, Op::rw_unlock, &lock);
}

}  // namespace

TEST_CASE("a wait for a word that already differs returns at once", "[umtx]") {
  RealHost host;
  GuestArena arena;
  auto* value = arena.make<Word>();
  *value = 7;
  CHECK(request(host, Op::wait_uint, value, 8).is_ok());
  CHECK(request(host, Op::wait_uint_private, value, 8).is_ok());
  CHECK(request(host, Op::wait, value, 8).is_ok());
  *value = (Word{1} << 40) | 7;
  CHECK(request(host, Op::wait, value, 7).is_ok());  // the upper half counts
}

TEST_CASE("waits end at their timeouts, relative and absolute", "[umtx]") {
  RealHost host;
  GuestArena arena;
  auto* value = arena.make<Word>();
  auto* time = arena.make<UmtxTime>();
  using std::chrono::milliseconds;
  const auto waits = [&](std::size_t size) {
    const auto start = Clock::now();
    CHECK(request(host, Op::wait_uint, value, 0, size_argument(size), time).is_native_error(ETIMEDOUT));
    return std::chrono::duration_cast<milliseconds>(Clock::now() - start).count();
  };
  *time = {{0, 30'000'000}, kAbsoluteTime, 0xbeef};  // a plain timespec: what follows is not looked at
  CHECK(waits(sizeof(Timespec)) >= 29);
  *time = after(milliseconds(30), 0, kMonotonic);
  CHECK(waits(sizeof(UmtxTime)) >= 29);
  *time = after(milliseconds(30), kAbsoluteTime, kMonotonic);
  CHECK(waits(sizeof(UmtxTime)) >= 28);
  *time = after(milliseconds(30), kAbsoluteTime, kRealtime);
  CHECK(waits(sizeof(UmtxTime)) >= 20);
  *time = {{1, 0}, kAbsoluteTime, kMonotonic};
  CHECK(waits(sizeof(UmtxTime)) < 1000);

  *time = {{0, 1'000'000'000}, 0, kMonotonic};
  CHECK(request(host, Op::wait_uint, value, 0, size_argument(24), time).is_native_error(EINVAL));
  *time = {{0, 1}, 0, 3};
  CHECK(request(host, Op::wait_uint, value, 0, size_argument(24), time).is_native_error(EINVAL));
}

TEST_CASE("a bad address is EFAULT in every operation", "[umtx]") {
  RealHost host;
  const void* bad = reinterpret_cast<const void*>(0x1000);
  const void* beyond = reinterpret_cast<const void*>(kGuestTop);
  for (const Op op :
       {Op::wait, Op::wait_uint, Op::mutex_lock, Op::mutex_trylock, Op::mutex_unlock, Op::mutex_wait,
        Op::mutex_wake, Op::cv_wait, Op::cv_signal, Op::rw_rdlock, Op::rw_wrlock, Op::rw_unlock, Op::sem_wait,
        Op::sem2_wait, Op::sem2_wake, Op::nwake_private, Op::set_ceiling}) {
    INFO("operation " << static_cast<unsigned>(op));
    CHECK(request(host, op, bad, 1).is_native_error(EFAULT));
  }
  CHECK(request(host, Op::wake, beyond, 1).is_native_error(EFAULT));
}

TEST_CASE("interrupted waits are made again only where FreeBSD makes them again", "[umtx]") {
  RealHost host;
  GuestArena arena;
  auto* mutex = arena.make<Umutex>();
  auto* sem = arena.make<Usem2>();
  struct Timed {
    UmtxTime wanted;
    Timespec left;
  };
  auto* timed = arena.make<Timed>();
  mutex->owner = 1;
  const auto interrupted = [&](Op op, void* object, Word value, const void* size = nullptr,
                               void* time = nullptr) {
    host.interrupt_next = true;
    return request(host, op, object, value, size, time);
  };
  CHECK(is_guest_eintr(interrupted(Op::wait_uint, mutex, 1)));
  CHECK(interrupted(Op::mutex_lock, mutex, 0).is_native_error(kRestartAlways));
  CHECK(interrupted(Op::mutex_wait, mutex, 0).is_native_error(EINTR));
  timed->wanted = after(std::chrono::seconds(100), 0, kMonotonic);
  CHECK(is_guest_eintr(interrupted(Op::mutex_lock, mutex, 0, size_argument(24), timed)));
  CHECK(interrupted(Op::sem2_wait, sem, 0).is_native_error(EINTR));
  CHECK(is_guest_eintr(interrupted(Op::sem2_wait, sem, 0, size_argument(sizeof(Timed)), timed)));
  CHECK(timed->left.sec >= 98);
  CHECK(timed->left.sec <= 100);
}

TEST_CASE("waking reaches private and shared sleepers alike", "[umtx]") {
  GuestArena arena;
  auto* value = arena.make<std::uint32_t>();
  auto* list = arena.make<Word>(2);
  list[0] = reinterpret_cast<Word>(value);
  list[1] = 0x1000;  // not mapped: passed over
  std::atomic<int> awake{0};
  in_threads(5, [&](RealHost& host, int i) {
    if (i < 4) {
      request(host, i % 2 == 0 ? Op::wait_uint : Op::wait_uint_private, value, 0);
      ++awake;
      return;
    }
    usleep(100'000);
    request(host, Op::wake_private, value, 1);
    usleep(50'000);
    CHECK(awake == 1);
    request(host, Op::wake, value, 1);
    usleep(50'000);
    CHECK(awake == 2);
    CHECK(request(host, Op::nwake_private, list, 2).is_ok());
  });
  CHECK(awake == 4);
}

TEST_CASE("mutexes keep libthr's threads apart and lose no wake-up", "[umtx]") {
  GuestArena arena;
  auto* mutex = arena.make<Umutex>();
  long counter = 0;
  SECTION("locked and unlocked in user space, waiting in the kernel") {
    in_threads(6, [&](RealHost& host, int) {
      for (int i = 0; i < 1500; ++i) {
        libthr_lock(host, *mutex);
        const long seen = counter;
        if (i % 16 == 0) sched_yield();
        counter = seen + 1;
        libthr_unlock(host, *mutex);
      }
    });
    CHECK(counter == 6 * 1500);
  }
  SECTION("locked and unlocked by the kernel") {
    const std::uint32_t flags = GENERATE(0U, kPrioInherit, kPrioProtect);
    mutex->flags = flags;
    mutex->owner = flags == kPrioProtect ? kContested : kUnowned;
    in_threads(6, [&](RealHost& host, int) {
      for (int i = 0; i < 600; ++i) {
        if (!request(host, Op::mutex_lock, mutex).is_ok()) return;
        const long seen = counter;
        if (i % 16 == 0) sched_yield();
        counter = seen + 1;
        if (!request(host, Op::mutex_unlock, mutex).is_ok()) return;
      }
    });
    CHECK(counter == 6 * 600);
  }
  CHECK((mutex->owner & ~kContested) == 0);
}

TEST_CASE("mutex operations say why they fail", "[umtx]") {
  RealHost host;
  GuestArena arena;
  auto* mutex = arena.make<Umutex>();
  auto* time = arena.make<UmtxTime>();
  const auto id = static_cast<std::uint32_t>(own_tid(host));
  CHECK(request(host, Op::mutex_trylock, mutex).is_ok());
  CHECK(mutex->owner == id);
  CHECK(request(host, Op::mutex_trylock, mutex).is_native_error(EBUSY));
  *time = after(std::chrono::milliseconds(10), 0, kRealtime);
  CHECK(request(host, Op::mutex_lock, mutex, 0, size_argument(24), time).is_native_error(ETIMEDOUT));
  CHECK(mutex->owner == (id | kContested));
  CHECK(request(host, Op::mutex_unlock, mutex).is_ok());
  CHECK(mutex->owner == kUnowned);
  CHECK(request(host, Op::mutex_unlock, mutex).is_native_error(EPERM));

  mutex->owner = kOwnerDead;
  CHECK(request(host, Op::mutex_lock, mutex).is_native_error(EOWNERDEAD));
  CHECK(mutex->owner == (id | kContested));
  mutex->flags = kNonConsistent;
  CHECK(request(host, Op::mutex_unlock, mutex).is_ok());
  CHECK(mutex->owner == kNotRecoverable);
  CHECK(request(host, Op::mutex_lock, mutex).is_native_error(ENOTRECOVERABLE));
  CHECK(request(host, Op::mutex_wait, mutex).is_ok());

  mutex->flags = kPrioInherit;
  mutex->owner = id;
  CHECK(request(host, Op::mutex_lock, mutex).is_native_error(EDEADLK));
  mutex->flags = kPrioInherit | kPrioProtect;
  CHECK(request(host, Op::mutex_lock, mutex).is_native_error(EINVAL));
}

TEST_CASE("a priority ceiling is exchanged under the lock", "[umtx]") {
  RealHost host;
  GuestArena arena;
  auto* mutex = arena.make<Umutex>();
  auto* old = arena.make<std::uint32_t>();
  CHECK(request(host, Op::set_ceiling, mutex, 5, old).is_native_error(EINVAL));
  mutex->flags = kPrioProtect;
  mutex->owner = kContested;
  mutex->ceilings[0] = 3;
  CHECK(request(host, Op::set_ceiling, mutex, 32, old).is_native_error(EINVAL));
  CHECK(request(host, Op::set_ceiling, mutex, 5, old).is_ok());
  CHECK(mutex->ceilings[0] == 5);
  CHECK(*old == 3);
  CHECK(mutex->owner == kContested);
}

TEST_CASE("unlocking a contested mutex that nobody waits for leaves its memory alone", "[umtx]") {
  RealHost host;
  GuestArena arena;
  auto* mutex = arena.make<Umutex>();
  mutex->owner = 12345;  // in use for something else by now
  CHECK(request(host, Op::mutex_wake2, mutex, 0).is_ok());
  CHECK(mutex->owner == 12345);
  auto* sem = arena.make<Usem2>();
  sem->count = kSemWaiters | 1;
  CHECK(request(host, Op::sem2_wake, sem).is_ok());
  CHECK(sem->count == (kSemWaiters | 1));
}

TEST_CASE("condition variables pass every item from producers to consumers", "[umtx]") {
  GuestArena arena;
  auto* mutex = arena.make<Umutex>();
  auto* cv = arena.make<Ucond>();
  constexpr int kItems = 1200;
  int items = 0, taken = 0;
  bool closed = false;
  in_threads(6, [&](RealHost& host, int i) {
    if (i < 2) {
      for (int n = 0; n < kItems; ++n) {
        libthr_lock(host, *mutex);
        ++items;
        libthr_unlock(host, *mutex);
        if (word(cv->has_waiters) != 0) request(host, Op::cv_signal, cv);
      }
      libthr_lock(host, *mutex);
      if (!closed && taken + items == 2 * kItems) closed = true;
      const bool last = closed;
      libthr_unlock(host, *mutex);
      if (last && word(cv->has_waiters) != 0) request(host, Op::cv_broadcast, cv);
      return;
    }
    libthr_lock(host, *mutex);
    for (;;) {
      while (items == 0 && !closed) {
        request(host, Op::cv_wait, cv, 0, mutex);
        libthr_lock(host, *mutex);
      }
      if (items == 0) break;
      --items;
      ++taken;
    }
    libthr_unlock(host, *mutex);
  });
  CHECK(taken == 2 * kItems);
}

TEST_CASE("a condition wait that times out has released its mutex", "[umtx]") {
  RealHost host;
  GuestArena arena;
  auto* mutex = arena.make<Umutex>();
  auto* cv = arena.make<Ucond>();
  auto* time = arena.make<Timespec>();
  *time = {0, 10'000'000};
  mutex->owner = static_cast<std::uint32_t>(own_tid(host));
  CHECK(request(host, Op::cv_wait, cv, 0, mutex, time).is_native_error(ETIMEDOUT));
  CHECK(mutex->owner == kUnowned);
  CHECK(request(host, Op::cv_wait, cv, 0, mutex, time).is_native_error(EPERM));
  cv->clockid = 14;
  CHECK(request(host, Op::cv_wait, cv, kCvClock, mutex, time).is_native_error(EINVAL));
  CHECK(request(host, Op::cv_broadcast, cv).is_ok());
  CHECK(cv->has_waiters == 0);
}

TEST_CASE("read-write locks admit readers together and writers alone", "[umtx]") {
  GuestArena arena;
  auto* lock = arena.make<Urwlock>();
  lock->flags = GENERATE(0U, kPreferReader);
  std::atomic<int> readers{0}, writers{0}, wrong{0};
  in_threads(6, [&](RealHost& host, int who) {
    for (int i = 0; i < 700; ++i) {
      if ((i + who) % 4 == 0) {
        libthr_wrlock(host, *lock);
        if (++writers != 1 || readers != 0) ++wrong;
        if (i % 8 == 0) sched_yield();
        --writers;
      } else {
        libthr_rdlock(host, *lock);
        ++readers;
        if (writers != 0) ++wrong;
        if (i % 8 == 0) sched_yield();
        --readers;
      }
      libthr_rwunlock(host, *lock);
    }
  });
  CHECK(wrong == 0);
  CHECK((lock->state & (kWriteOwner | kMaxReaders)) == 0);
  CHECK(lock->blocked_readers == 0);
  CHECK(lock->blocked_writers == 0);
}

TEST_CASE("a writer that gives up lets the readers behind it in", "[umtx]") {
  GuestArena arena;
  auto* lock = arena.make<Urwlock>();
  auto* time = arena.make<UmtxTime>();
  *time = after(std::chrono::milliseconds(150), 0, kMonotonic);
  lock->state = 1;  // one reader, which stays
  std::atomic<bool> read{false};
  in_threads(2, [&](RealHost& host, int i) {
    if (i == 0) {
      CHECK(request(host, Op::rw_wrlock, lock, 0, size_argument(24), time).is_native_error(ETIMEDOUT));
    } else {
      usleep(50'000);
      libthr_rdlock(host, *lock);
      read = true;
    }
  });
  CHECK(read);
  CHECK(lock->state == 2);
  RealHost host;
  CHECK(request(host, Op::rw_unlock, lock).is_ok());
  CHECK(request(host, Op::rw_unlock, lock).is_ok());
  CHECK(request(host, Op::rw_unlock, lock).is_native_error(EPERM));
}

TEST_CASE("semaphores hand out exactly what was posted", "[umtx]") {
  GuestArena arena;
  auto* sem = arena.make<Usem2>();
  constexpr int kEach = 1500;
  in_threads(6, [&](RealHost& host, int i) {
    for (int n = 0; n < kEach; ++n) {
      if (i % 2 == 0)
        libthr_sem_post(host, *sem);
      else
        libthr_sem_wait(host, *sem);
    }
  });
  CHECK((sem->count & kSemCount) == 0);
  RealHost host;
  auto* time = arena.make<UmtxTime>();
  *time = after(std::chrono::milliseconds(10), 0, kMonotonic);
  CHECK(request(host, Op::sem2_wait, sem, 0, size_argument(24), time).is_native_error(ETIMEDOUT));

  auto* old = arena.make<Usem>();
  in_threads(2, [&](RealHost& mine, int i) {
    for (int n = 0; n < 300; ++n) {
      if (i == 0) {
        ++word(old->count);
        if (word(old->has_waiters) != 0) request(mine, Op::sem_wake, old);
        continue;
      }
      std::uint32_t count = word(old->count);
      while (count == 0 || !word(old->count).compare_exchange_strong(count, count - 1)) {
        if (count == 0) request(mine, Op::sem_wait, old);
        count = word(old->count);
      }
    }
  });
  CHECK(old->count == 0);
}

TEST_CASE("what is not offered is refused honestly", "[umtx]") {
  RealHost host;
  GuestArena arena;
  auto* object = arena.make<Word>(4);
  const auto raw = [&](std::uint32_t op) { return umtx_op(host, clocks(), {guest(object), op}); };
  CHECK(raw(29).is_native_error(EINVAL));
  CHECK(raw(0x8000'0002).is_native_error(EOPNOTSUPP));
  CHECK(request(host, Op::shm, nullptr, 1, object).is_native_error(EOPNOTSUPP));
  CHECK(request(host, Op::robust_lists, nullptr, 24, object).is_ok());
  CHECK(request(host, Op::robust_lists, nullptr, 32, object).is_native_error(EINVAL));
  object[0] = 9;
  CHECK(request(host, Op::get_min_timeout, nullptr, 0, object).is_ok());
  CHECK(object[0] == 0);
  // Of the process, so carried out beside umtx_op().
  CHECK(request(host, Op::set_min_timeout, nullptr, 0).is_native_error(EOPNOTSUPP));
}
