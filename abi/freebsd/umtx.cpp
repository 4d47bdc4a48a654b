// _umtx_op(2): FreeBSD's thread synchronisation over futexes on the guest's own words.
//
// libthr takes and leaves uncontested objects without a call, so every word must keep the meaning FreeBSD's
// kernel gives it. What cannot be copied is how that kernel sleeps: it queues a thread before it looks at the
// word, and counts queues under a lock. A futex compares and queues in one step and may be counted at any
// time, but nothing holds it still. Two rules make up for that, object by object:
//   - a mark that says "someone sleeps here" is set before sleeping and is part of the compared value;
//   - a thread that has been woken puts back the mark its waker removed if others still sleep.
//
// Facts: FreeBSD 15.0 sys/kern/kern_umtx.c, lib/libthr/thread/thr_umtx.c, lib/libc/gen/sem_new.c.
#include "abi/freebsd/umtx.hpp"

#include <cerrno>
#include <climits>
#include <span>

#include "abi/freebsd/freebsd.hpp"
#include "abi/freebsd/thread_id.hpp"
#include "abi/freebsd/umtx_futex.hpp"
#include "abi/freebsd/umtx_layout.hpp"
#include "abi/freebsd/umtx_old.hpp"
#include "abi/freebsd/umtx_robust.hpp"
#include "abi/freebsd/umtx_rwlock.hpp"

namespace sudrun::abi::freebsd {

namespace umtx {
namespace {

constexpr GuestErrno kGuestEintr{4};

enum class OnSignal { as_it_comes, never_again, always_again };

enum class LockMode { lock, try_once, wait };

// --- mutexes --------------------------------------------------------------------------------------------

constexpr bool is_free(std::uint32_t owner) noexcept { return (owner & ~kContested) == 0; }
constexpr bool is_dead(std::uint32_t owner) noexcept {
  return owner == kOwnerDead || owner == kNotRecoverable;
}

std::uint32_t own_id(Host& host) noexcept { return static_cast<std::uint32_t>(own_tid(host)); }

/// Mutexes without a priority ceiling. Priority inheritance differs only in what it refuses: the priority
/// itself is not lent.
int lock_plain(Host& host, GuestAddr mutex, std::uint32_t flags, LockMode mode,
               const Deadline& deadline) noexcept {
  const bool inherit = (flags & kPrioInherit) != 0;
  const std::uint32_t id = own_id(host);
  int error = 0;
  bool slept = false;
  for (;;) {
    std::uint32_t owner = 0;
    if (!host.load32(mutex, owner)) return EFAULT;
    if (mode == LockMode::wait && !inherit) {
      if (is_dead(owner) || owner == kContested) return 0;
      if (owner == kUnowned) {
        if (!slept || sleepers(host, mutex) <= 0) return 0;
        switch (compare_exchange(host, mutex, owner, kContested)) {
          case Cas::fault:
            return EFAULT;
          case Cas::swapped:
            return 0;
          case Cas::changed:
            continue;
        }
      }
    } else {
      if (owner == kNotRecoverable) return ENOTRECOVERABLE;
      if (is_free(owner) || owner == kOwnerDead) {
        const bool dead = owner == kOwnerDead;
        const bool contested = owner != kUnowned || (slept && sleepers(host, mutex) > 0);
        switch (compare_exchange(host, mutex, owner, id | (contested ? kContested : 0))) {
          case Cas::fault:
            return EFAULT;
          case Cas::swapped:
            return dead ? EOWNERDEAD : 0;
          case Cas::changed:
            continue;
        }
      }
      if (inherit && (owner & ~kContested) == id) return EDEADLK;
      if (mode != LockMode::lock) return EBUSY;
    }
    if (error != 0) return error;
    if ((owner & kContested) == 0) {
      const Cas marked = compare_exchange(host, mutex, owner, owner | kContested);
      if (marked == Cas::fault) return EFAULT;
      if (marked == Cas::changed) continue;
    }
    error = sleep_for_owner(host, mutex, flags, owner | kContested, deadline);
    slept = true;
  }
}

/// Mutexes with a priority ceiling: free means kContested, so that every lock is a call. The ceiling is
/// checked; the thread's priority is not raised to it.
int lock_ceiling(Host& host, GuestAddr mutex, std::uint32_t flags, LockMode mode,
                 const Deadline& deadline) noexcept {
  const std::uint32_t id = own_id(host);
  int error = 0;
  for (;;) {
    std::uint32_t ceiling = 0;
    if (!host.load32(mutex + offsetof(Umutex, ceilings), ceiling)) return EFAULT;
    if (ceiling > kPriorityMax) return EINVAL;
    std::uint32_t owner = kContested;
    Cas result = compare_exchange(host, mutex, owner, id | kContested);
    if (result == Cas::swapped) return 0;
    if (result == Cas::changed && owner == kOwnerDead) {
      result = compare_exchange(host, mutex, owner, id | kContested);
      if (result == Cas::swapped) return EOWNERDEAD;
      if (result == Cas::changed) continue;
    }
    if (result == Cas::fault) return EFAULT;
    if (owner == kContested) continue;
    if (owner == kNotRecoverable) return ENOTRECOVERABLE;
    if (mode != LockMode::lock) return EBUSY;
    if (error != 0) return error;
    error = sleep_for_owner(host, mutex, flags, owner, deadline);
  }
}

int mutex_lock(Host& host, GuestAddr mutex, LockMode mode, const Deadline& deadline) noexcept {
  std::uint32_t flags = 0;
  if (!host.load32(mutex + offsetof(Umutex, flags), flags)) return EFAULT;
  switch (flags & (kPrioInherit | kPrioProtect)) {
    case 0:
    case kPrioInherit:
      return lock_plain(host, mutex, flags, mode, deadline);
    case kPrioProtect:
      return lock_ceiling(host, mutex, flags, mode, deadline);
    default:
      return EINVAL;
  }
}

/// The ceiling the owner goes back to, where libthr keeps it: -1 if it holds no other such mutex.
int check_next_ceiling(Host& host, GuestAddr mutex) noexcept {
  std::uint32_t ceiling = 0;
  if (!host.load32(mutex + offsetof(Umutex, ceilings) + sizeof ceiling, ceiling)) return EFAULT;
  return ceiling <= kPriorityMax || ceiling == ~0U ? 0 : EINVAL;
}

/// `dies`: the owner ends without having unlocked.
int mutex_unlock(Host& host, GuestAddr mutex, bool dies) noexcept {
  std::uint32_t flags = 0;
  if (!host.load32(mutex + offsetof(Umutex, flags), flags)) return EFAULT;
  const std::uint32_t protocol = flags & (kPrioInherit | kPrioProtect);
  if (protocol == (kPrioInherit | kPrioProtect)) return EINVAL;
  // Nobody may have it any more, and all must learn of it.
  const bool lost = !dies && (flags & kNonConsistent) != 0;
  const std::uint32_t free = (dies   ? kOwnerDead
                              : lost ? kNotRecoverable
                                     : kUnowned) |
                             (protocol == kPrioProtect ? kContested : 0);

  std::uint32_t owner = 0;
  if (!host.load32(mutex, owner)) return EFAULT;
  for (;;) {
    if ((owner & ~kContested) != own_id(host)) return EPERM;
    if (protocol == kPrioProtect)
      if (const int error = check_next_ceiling(host, mutex); error != 0) return error;
    const Cas result = compare_exchange(host, mutex, owner, free);
    if (result == Cas::fault) return EFAULT;
    if (result == Cas::swapped) break;
  }
  // From here on the memory may already be somebody else's. The word now lacks the mark of those who still
  // sleep; the one woken puts it back.
  if ((owner & kContested) != 0) wake(host, mutex, lost ? INT_MAX : 1);
  return 0;
}

/// UMTX_OP_MUTEX_WAKE, of libthr before FreeBSD 9.2: wakes one if the mutex is free.
int mutex_wake(Host& host, GuestAddr mutex) noexcept {
  std::uint32_t owner = 0;
  if (!host.load32(mutex, owner)) return EFAULT;
  if (!is_free(owner) && !is_dead(owner)) return 0;
  const NativeResult count = sleepers(host, mutex);
  if (count == 0 && owner == kContested && compare_exchange(host, mutex, owner, kUnowned) == Cas::fault)
    return EFAULT;
  if (count > 0) wake(host, mutex, 1);
  return 0;
}

/// UMTX_OP_MUTEX_WAKE2: libthr has just stored kUnowned over a contested word. The word is written only if
/// someone sleeps on it: otherwise the mutex may have been destroyed since.
int mutex_wake2(Host& host, GuestAddr mutex, std::uint32_t flags) noexcept {
  if ((flags & (kPrioInherit | kPrioProtect)) == (kPrioInherit | kPrioProtect)) return EINVAL;
  const NativeResult count = sleepers(host, mutex);
  if (is_error(count)) return static_cast<int>(-count);
  if (count == 0) return 0;
  std::uint32_t owner = 0;
  const bool readable = update(
      host, mutex, owner, [count](std::uint32_t v) { return count > 1 || !is_free(v) ? v | kContested : v; });
  if (!readable) {
    wake(host, mutex, INT_MAX);
    return EFAULT;
  }
  if (is_free(owner) || is_dead(owner)) wake(host, mutex, 1);
  return 0;
}

int set_ceiling(Host& host, GuestAddr mutex, std::uint32_t ceiling, GuestAddr old) noexcept {
  const GuestAddr field = mutex + offsetof(Umutex, ceilings);
  std::uint32_t flags = 0;
  if (!host.load32(mutex + offsetof(Umutex, flags), flags)) return EFAULT;
  if ((flags & kPrioProtect) == 0 || ceiling > kPriorityMax) return EINVAL;
  const std::uint32_t id = own_id(host);
  std::uint32_t former = 0;
  int error = 0;
  for (;;) {
    if (!host.load32(field, former)) return EFAULT;
    std::uint32_t owner = kContested;
    const Cas taken = compare_exchange(host, mutex, owner, id | kContested);
    if (taken == Cas::fault) return EFAULT;
    if (taken == Cas::swapped || (owner & ~kContested) == id) {
      if (!host.put(field, ceiling))
        error = EFAULT;
      else
        error = 0;
      owner = id | kContested;
      if (taken == Cas::swapped && compare_exchange(host, mutex, owner, kContested) == Cas::fault)
        error = EFAULT;
      break;
    }
    if (owner == kOwnerDead) return EOWNERDEAD;
    if (owner == kNotRecoverable) return ENOTRECOVERABLE;
    if (error != 0) return error;
    error = sleep_on(host, mutex, owner, Deadline{});
  }
  if (error != 0) return error;
  wake(host, mutex, INT_MAX);
  return is_null(old) || host.put(old, former) ? 0 : EFAULT;
}

// --- condition variables --------------------------------------------------------------------------------
//
// c_has_waiters, which libthr only compares with zero, counts those who came; c_spare counts the signals
// and is the word slept on. A signaller that finds nobody left zeroes c_has_waiters, unless someone came
// since it began; who came before then sees c_spare changed and does not sleep.
//
// Who leaves without having been signalled must do the same, as pthread_cond_destroy finds a marked object
// busy. An object without a mark may already be destroyed: it is left alone.

void cv_leave(Host& host, GuestAddr cv) noexcept {
  const GuestAddr signals = cv + offsetof(Ucond, spare);
  std::uint32_t came = 0, seen = 0;
  if (!host.load32(cv, came) || came == 0 || !host.load32(signals, seen)) return;
  // A signaller in between looks for sleepers itself, and no longer finds this one.
  if (compare_exchange(host, signals, seen, seen + 1) != Cas::swapped) return;
  if (sleepers(host, signals) == 0) compare_exchange(host, cv, came, 0);
}

int cv_wait(Host& host, GuestAddr cv, GuestAddr mutex, const Deadline& deadline) noexcept {
  const GuestAddr signals = cv + offsetof(Ucond, spare);
  std::uint32_t seen = 0, before = 0;
  if (!host.load32(signals, seen)) return EFAULT;
  if (!update(host, cv, before, [](std::uint32_t v) { return v + 1 == 0 ? 1 : v + 1; })) return EFAULT;
  int error = mutex_unlock(host, mutex, false);
  if (error == 0) error = sleep_on(host, signals, seen, deadline);
  if (error != 0) cv_leave(host, cv);
  return error;
}

int cv_signal(Host& host, GuestAddr cv, int count) noexcept {
  const GuestAddr signals = cv + offsetof(Ucond, spare);
  std::uint32_t came = 0, before = 0;
  if (!host.load32(cv, came)) return EFAULT;
  if (!update(host, signals, before, [](std::uint32_t v) { return v + 1; })) return EFAULT;
  const NativeResult asleep = sleepers(host, signals);
  const NativeResult woken = wake(host, signals, count);
  if (asleep > woken || came == 0) return 0;
  return compare_exchange(host, cv, came, 0) == Cas::fault ? EFAULT : 0;
}

int cv_deadline(Host& host, const FlagSet& clocks, const UmtxRequest& request, Deadline& deadline) noexcept {
  std::uint32_t clock = 0;  // CLOCK_REALTIME
  if ((request.value & kCvClock) != 0) {
    if (!host.load32(request.object + offsetof(Ucond, clockid), clock)) return EFAULT;
    if (clock >= 14) return EINVAL;  // CLOCK_THREAD_CPUTIME_ID: no processor time clocks
  }
  if (is_null(request.addr2)) return 0;
  UmtxTime time{};
  if (!host.get(request.addr2, time.timeout)) return EFAULT;
  time.flags = (request.value & kCvAbsolute) != 0 ? kAbsoluteTime : 0;
  time.clockid = clock;
  return deadline.set(host, clocks, time);
}

// --- semaphores -----------------------------------------------------------------------------------------

int sem2_wait(Host& host, GuestAddr sem, const Deadline& deadline) noexcept {
  std::uint32_t count = 0;
  for (;;) {
    if (!host.load32(sem, count)) return EFAULT;
    if ((count & kSemCount) != 0) return 0;
    if (count == kSemWaiters) break;
    const Cas marked = compare_exchange(host, sem, count, kSemWaiters);
    if (marked == Cas::fault) return EFAULT;
    if (marked == Cas::swapped) break;
  }
  if (const int error = sleep_on(host, sem, kSemWaiters, deadline); error != 0) return error;
  if (sleepers(host, sem) <= 0) return 0;
  // The mark may be gone although others sleep. What was posted in the meantime woke nobody: do that too.
  std::uint32_t before = 0;
  if (!set_bits(host, sem, kSemWaiters, before)) return EFAULT;
  if ((before & kSemWaiters) == 0 && before != 0) wake(host, sem, static_cast<int>(before));
  return 0;
}

int sem2_wake(Host& host, GuestAddr sem) noexcept {
  std::uint32_t count = 0;
  if (!host.load32(sem, count)) return EFAULT;
  const NativeResult asleep = sleepers(host, sem);
  if (asleep <= 0) return 0;  // then the memory may be somebody else's already: not to be written
  // New sleepers need a count of zero; a count that is as before was posted again, by someone who will wake.
  if (asleep == 1 && (count & kSemCount) != 0 && (count & kSemWaiters) != 0 &&
      compare_exchange(host, sem, count, count & ~kSemWaiters) == Cas::fault)
    return EFAULT;
  wake(host, sem, 1);
  return 0;
}

/// The semaphore of FreeBSD 9 and 10. _has_waiters, once set, stays: clearing it could strand a sleeper, and
/// costs old programs no more than a call per post.
int sem_wait(Host& host, GuestAddr sem, const Deadline& deadline) noexcept {
  std::uint32_t before = 0, count = 0;
  if (!update(host, sem, before, [](std::uint32_t) { return 1U; })) return EFAULT;
  if (!host.load32(sem + offsetof(Usem, count), count)) return EFAULT;
  return count != 0 ? 0 : sleep_on(host, sem + offsetof(Usem, count), 0, deadline);
}

// --- plain words ----------------------------------------------------------------------------------------

int wait_word(Host& host, GuestAddr word, Word value, bool is_long, const Deadline& deadline) noexcept {
  const auto low = static_cast<std::uint32_t>(value);
  if (is_long) {
    // Futexes are 32 bits wide. A change of the upper half alone, between here and the kernel's look at the
    // lower half, would go unseen; the state words and thread ids FreeBSD waits for do not have one.
    Word found = 0;
    if (!host.get(word, found)) return EFAULT;
    if (found != value) return 0;
  } else if (value != low) {
    std::uint32_t found = 0;
    return host.load32(word, found) ? 0 : EFAULT;  // no 32-bit word can be that
  }
  const int error = sleep_on(host, word, low, deadline);
  if (error != EINTR) return error;
  // The signal may have come before the word was looked at; a word that differs says 0 all the same.
  std::uint32_t found = 0;
  if (!host.load32(word, found)) return EFAULT;
  return found == low ? EINTR : 0;
}

Result finish(int error, OnSignal on_signal) noexcept {
  if (error == 0) return Result::ok();
  if (error != EINTR || on_signal == OnSignal::as_it_comes) return Result::fail(error);
  return on_signal == OnSignal::never_again ? Result::fail(kGuestEintr) : Result::restart();
}

/// Stores what is left of an interrupted relative wait behind its _umtx_time, if the guest left room there.
int store_remaining(Host& host, const UmtxRequest& request, const Deadline& deadline) noexcept {
  if (!deadline.relative() || word_of(request.addr1) < sizeof(UmtxTime) + sizeof(Timespec)) return EINTR;
  return host.put(request.addr2 + sizeof(UmtxTime), deadline.remaining(host)) ? EINTR : EFAULT;
}

Result timed(Host& host, const FlagSet& clocks, const UmtxRequest& r, Op op) noexcept {
  Deadline deadline;
  const int bad = op == Op::cv_wait ? cv_deadline(host, clocks, r, deadline)
                                    : deadline.read(host, clocks, r.addr1, r.addr2);
  if (bad != 0) return Result::fail(bad);
  deadline.not_before(host, r.minimum);
  const OnSignal once_if_timed = deadline.limited() ? OnSignal::never_again : OnSignal::as_it_comes;
  const OnSignal once_if_relative = deadline.relative() ? OnSignal::never_again : OnSignal::as_it_comes;
  switch (op) {
    case Op::lock:
      return finish(old_lock(host, r.object, static_cast<std::uint32_t>(r.value), deadline),
                    deadline.limited() ? OnSignal::never_again : OnSignal::always_again);
    case Op::wait:
      return finish(wait_word(host, r.object, r.value, true, deadline), OnSignal::never_again);
    case Op::wait_uint:
    case Op::wait_uint_private:
      return finish(wait_word(host, r.object, r.value, false, deadline), OnSignal::never_again);
    case Op::mutex_lock:
      return finish(mutex_lock(host, r.object, LockMode::lock, deadline),
                    deadline.limited() ? OnSignal::never_again : OnSignal::always_again);
    case Op::mutex_wait:
      return finish(mutex_lock(host, r.object, LockMode::wait, deadline), once_if_timed);
    case Op::cv_wait:
      return finish(cv_wait(host, r.object, r.addr1, deadline), OnSignal::never_again);
    case Op::rw_rdlock:
      return finish(rw_rdlock(host, r.object, r.value, deadline), OnSignal::never_again);
    case Op::rw_wrlock:
      return finish(rw_wrlock(host, r.object, deadline), OnSignal::never_again);
    case Op::sem_wait:
      return finish(sem_wait(host, r.object, deadline), once_if_relative);
    case Op::sem2_wait: {
      int error = sem2_wait(host, r.object, deadline);
      if (error == EINTR) error = store_remaining(host, r, deadline);
      return finish(error, once_if_relative);
    }
    default:
      return Result::fail(EINVAL);
  }
}

}  // namespace

int unlock_of_dying(Host& host, GuestAddr mutex) noexcept { return mutex_unlock(host, mutex, true); }

}  // namespace umtx

Result umtx_op(Host& host, const FlagSet& clocks, const UmtxRequest& r) noexcept {
  using namespace umtx;
  if ((r.op & kOpFlags) != 0) return Result::fail(EOPNOTSUPP);
  const auto done = [](int error) { return finish(error, OnSignal::as_it_comes); };
  switch (const Op op{r.op}; op) {
    case Op::lock:
    case Op::wait:
    case Op::wait_uint:
    case Op::wait_uint_private:
    case Op::mutex_lock:
    case Op::mutex_wait:
    case Op::cv_wait:
    case Op::rw_rdlock:
    case Op::rw_wrlock:
    case Op::sem_wait:
    case Op::sem2_wait:
      return timed(host, clocks, r, op);

    case Op::wake:
    case Op::wake_private: {
      const NativeResult woken = wake(host, r.object, static_cast<int>(r.value));
      return is_error(woken) ? Result::of(woken) : Result::ok();
    }
    case Op::nwake_private:
      return done(wake_many(host, r.object, r.value));
    case Op::unlock:
      return done(old_unlock(host, r.object, static_cast<std::uint32_t>(r.value)));
    case Op::mutex_trylock:
      return done(mutex_lock(host, r.object, LockMode::try_once, Deadline{}));
    case Op::mutex_unlock:
      return done(mutex_unlock(host, r.object, false));
    case Op::mutex_wake:
      return done(mutex_wake(host, r.object));
    case Op::mutex_wake2:
      return done(mutex_wake2(host, r.object, static_cast<std::uint32_t>(r.value)));
    case Op::set_ceiling:
      return done(set_ceiling(host, r.object, static_cast<std::uint32_t>(r.value), r.addr1));
    case Op::cv_signal:
      return done(cv_signal(host, r.object, 1));
    case Op::cv_broadcast:
      return done(cv_signal(host, r.object, INT_MAX));
    case Op::rw_unlock:
      return done(rw_unlock(host, r.object));
    case Op::sem_wake: {
      const NativeResult woken = wake(host, r.object + offsetof(Usem, count), 1);
      return is_error(woken) ? Result::of(woken) : Result::ok();
    }
    case Op::sem2_wake:
      return done(sem2_wake(host, r.object));
    case Op::robust_lists:
      return done(robust_lists(host, r.addr1, r.value));
    case Op::get_min_timeout:
      return done(host.put(r.addr1, r.minimum) ? 0 : EFAULT);
    case Op::set_min_timeout:  // this and the next are carried out by the personality
    case Op::shm:
      return Result::fail(EOPNOTSUPP);
  }
  return Result::fail(EINVAL);
}

NativeResult umtx_wake(Host& host, GuestAddr word, int count) noexcept {
  return umtx::wake(host, word, count);
}

namespace {

Result do_umtx_op(Call& call) noexcept {
  std::atomic<std::int64_t>& minimum = self(call).umtx_min_timeout();
  if (umtx::Op{call.u32(1)} == umtx::Op::shm)
    return self(call).umtx_pages().request(call.host, call.addr(3), call.u32(2));
  if (umtx::Op{call.u32(1)} == umtx::Op::set_min_timeout) {
    if (call.i64(2) < 0) return Result::fail(EINVAL);
    minimum = call.i64(2);
    return Result::ok();
  }
  return umtx_op(call.host, self(call).vocabulary().clock_id,
                 {call.addr(0), call.u32(1), call.word(2), call.addr(3), call.addr(4), minimum.load()});
}

constexpr HandlerEntry kHandlers[] = {
    {"_umtx_op", do_umtx_op},
    {"freebsd10__umtx_lock", umtx::old_lock_call},
    {"freebsd10__umtx_unlock", umtx::old_unlock_call},
};

}  // namespace

std::span<const HandlerEntry> umtx_handlers() noexcept { return kHandlers; }

}  // namespace sudrun::abi::freebsd
