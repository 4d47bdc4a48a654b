// One event queue: its table of knotes, changes to them, and the queue of ready ones.
//
// Semantics: FreeBSD 14.0, sys/kern/kern_event.c (kqueue_register, kqueue_scan), lib/libsys/kqueue.2.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

#include <cerrno>
#include <climits>

#include "abi/bsd/kqueue_state.hpp"

namespace sudrun::abi::bsd {
namespace {

using namespace kq;

constexpr bool names_descriptor(int filter) noexcept {
  return filter == kRead || filter == kWrite || filter == kVnode || filter == kProcdesc || filter == kEmpty;
}
constexpr bool is_io(int filter) noexcept { return filter == kRead || filter == kWrite; }

std::uint32_t hash_of(int filter, std::uint64_t ident) noexcept {
  std::uint64_t mixed = (ident ^ static_cast<std::uint64_t>(-filter) << 56) * 0x9e37'79b9'7f4a'7c15;
  return static_cast<std::uint32_t>(mixed >> 32);
}

bool is_open(Host& host, std::uint64_t ident) noexcept {
  return !is_error(host.call(SYS_fcntl, ident, F_GETFD));
}

}  // namespace

// --- life -------------------------------------------------------------------------------------------------

bool Kqueue::open(Host& host, int fd) noexcept {
  fd_ = fd;
  descriptors = 1;
  const NativeResult helper = host.call(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (add_helper(host, SourceKind::kick, helper, nullptr) == 0) return true;
  fd_ = -1;
  descriptors = 0;
  return false;
}

void Kqueue::close(Host& host) noexcept {
  // Entries and watches are left alone: they end with the epoll and inotify files, and in a forked child they
  // are still the parent's.
  for (std::uint32_t i = 0; i < bucket_count_; ++i) {
    while (Knote* note = buckets_[i]) {
      buckets_[i] = note->hash_next;
      if (note->companion != nullptr) knotes_.give_back(note->companion);
      knotes_.give_back(note);
    }
  }
  for (std::uint32_t i = 0; i < sources_.size(); ++i) {
    Source& source = sources_.at(i);
    if (!source.used) continue;
    source.registered = false;
    source.knotes = {};
    free_source(host, source);
  }
  first_ = last_ = files_ = signal_notes_ = process_notes_ = nullptr;
  queue_length_ = note_count_ = unwatched_ = 0;
  kick_ = signals_ = blocked_ = watches_ = processes_ = nullptr;
  owner_ = 0;
  watch_buckets_ = {};
  kicked_ = false;
  fd_ = -1;
  descriptors = 0;
  ++generation_;
}

// --- the table of knotes ----------------------------------------------------------------------------------

Knote* Kqueue::find(int filter, std::uint64_t ident) noexcept {
  if (bucket_count_ == 0) return nullptr;
  Knote* note = buckets_[hash_of(filter, ident) & (bucket_count_ - 1)];
  while (note != nullptr && (note->ident != ident || note->filter != filter || note->notice))
    note = note->hash_next;
  return note;
}

void Kqueue::insert(Knote& note) noexcept {
  Knote*& head = buckets_[hash_of(note.filter, note.ident) & (bucket_count_ - 1)];
  note.hash_next = head;
  head = &note;
  ++note_count_;
}

void Kqueue::unlink(Knote& note) noexcept {
  Knote** at = &buckets_[hash_of(note.filter, note.ident) & (bucket_count_ - 1)];
  while (*at != &note) at = &(*at)->hash_next;
  *at = note.hash_next;
  --note_count_;
}

/// A new knote in the table, attached to nothing. Null if there is no memory.
Knote* Kqueue::make(const Event& change) noexcept {
  if (note_count_ >= bucket_count_) {
    const std::uint32_t count = bucket_count_ == 0 ? 64 : bucket_count_ * 2;
    std::unique_ptr<Knote*[]> larger(new (std::nothrow) Knote*[count]());
    if (!larger && bucket_count_ == 0) return nullptr;
    if (larger) {
      for (std::uint32_t i = 0; i < bucket_count_; ++i) {
        for (Knote* note = buckets_[i]; note != nullptr;) {
          Knote* const next = note->hash_next;
          Knote*& head = larger[hash_of(note->filter, note->ident) & (count - 1)];
          note->hash_next = head;
          head = note;
          note = next;
        }
      }
      buckets_ = std::move(larger);
      bucket_count_ = count;
    }
  }
  Knote* note = knotes_.take();
  if (note == nullptr) return nullptr;
  const std::uint32_t index = note->pool_index;
  *note = Knote{};
  note->pool_index = index;
  note->ident = change.ident;
  note->filter = change.filter;
  note->flags = change.flags & ~(kAdd | kDelete | kEnable | kDisable | kForceOneshot | kSysflags);
  note->wanted = change.fflags;
  note->parameter = change.data;
  note->udata = change.udata;
  note->ext = change.ext;
  note->disabled = (change.flags & kDisable) != 0;
  insert(*note);
  return note;
}

void Kqueue::remove_peer(Knote*& head, Knote& note) noexcept {
  for (Knote** at = &head; *at != nullptr; at = &(*at)->peer_next) {
    if (*at != &note) continue;
    *at = note.peer_next;
    return;
  }
}

/// Removes a knote and whatever native thing it stands on.
void Kqueue::drop(Host& host, Knote& note) noexcept {
  dequeue(note);
  if (note.regular && note.filter != kWrite) {
    remove_peer(files_, note);
    if (note.watch < 0 && !note.always_ready) --unwatched_;
  }
  if (note.watch >= 0) unwatch(host, note);
  if (note.companion != nullptr) {
    if (note.companion->watch >= 0) unwatch(host, *note.companion);
    knotes_.give_back(note.companion);
  }
  if (note.filter == kSignal) {
    remove_peer(signal_notes_, note);
    listen_for_blocked(host);
  }
  if (note.slot >= 0) {
    remove_peer(process_notes_, note);
    process_events->release(note.slot);
  }
  if (note.source != nullptr) {
    if (is_io(note.filter)) {
      detach_descriptor(host, note);
    } else {
      free_source(host, *note.source);
    }
  }
  unlink(note);
  knotes_.give_back(&note);
}

// --- sources ----------------------------------------------------------------------------------------------

Source* Kqueue::make_source(SourceKind kind, int fd, bool hidden) noexcept {
  Source* source = sources_.take();
  if (source == nullptr) return nullptr;
  source->kind = kind;
  source->file = FileKind::unknown;
  source->used = true;
  source->hidden = hidden;
  source->registered = source->edge = source->parked = false;
  source->fd = fd;
  source->mask = 0;
  source->knotes = {};
  return source;
}

void Kqueue::free_source(Host& host, Source& source) noexcept {
  if (source.registered) {
    // Explicitly: the open file may have other descriptors, in this process or a forked one.
    host.call(SYS_epoll_ctl, fd_word(fd_), EPOLL_CTL_DEL, fd_word(source.fd), 0);
  }
  if (source.hidden) host.close_hidden(source.fd);
  for (Knote* note : source.knotes) {
    if (note != nullptr) note->source = nullptr;
  }
  source.used = false;
  ++source.generation;
  sources_.give_back(&source);
}

NativeResult Kqueue::epoll_set(Host& host, int operation, Source& source, std::uint32_t mask) noexcept {
  epoll_event event{};
  event.events = mask;
  event.data.u64 = std::uint64_t{source.generation} << 32 | source.pool_index;
  const NativeResult result =
      host.call(SYS_epoll_ctl, fd_word(fd_), fd_word(operation), fd_word(source.fd), host_word(&event));
  if (!is_error(result)) {
    source.registered = true;
    source.mask = mask;
  }
  return result;
}

/// Makes a new descriptor (or the errno in its place) a hidden member of the epoll set. 0 or an errno.
int Kqueue::add_helper(Host& host, SourceKind kind, NativeResult fd, Knote* note) noexcept {
  if (!is_error(fd)) fd = host.hide_descriptor(static_cast<int>(fd));
  if (is_error(fd)) return fd == -EMFILE || fd == -ENFILE ? ENOMEM : static_cast<int>(errno_of(fd));
  Source* source = make_source(kind, static_cast<int>(fd), true);
  if (source == nullptr) {
    host.close_hidden(static_cast<int>(fd));
    return ENOMEM;
  }
  // A signal that stays pending must not keep the queue awake.
  const std::uint32_t mask = kind == SourceKind::blocked ? EPOLLIN | EPOLLET : std::uint32_t{EPOLLIN};
  if (is_error(epoll_set(host, EPOLL_CTL_ADD, *source, mask))) {
    free_source(host, *source);
    return ENOMEM;
  }
  source->knotes[0] = note;
  if (note != nullptr) note->source = source;
  if (kind == SourceKind::kick) kick_ = source;
  if (kind == SourceKind::blocked) blocked_ = source;
  if (kind == SourceKind::watches) watches_ = source;
  return 0;
}

// --- changes ----------------------------------------------------------------------------------------------

int Kqueue::apply(KqueueContext& context, const Event& c) noexcept {
  if ((c.flags & (kEnable | kDisable)) == (kEnable | kDisable)) return EINVAL;
  if ((c.flags & kAdd) != 0 && (c.flags & kKeepUdata) != 0) return EINVAL;
  if (c.filter >= 0 || c.filter < kLastFilter) return EINVAL;
  const bool descriptor = names_descriptor(c.filter);
  if (descriptor && c.ident > INT_MAX) return EBADF;

  Knote* note = find(c.filter, c.ident);
  if (note != nullptr) {
    if ((c.flags & kDelete) == 0) return change(context, *note, c);
    drop(context.host, *note);
    return 0;
  }
  if (descriptor && context.host.is_hidden(static_cast<int>(c.ident))) return EBADF;
  if ((c.flags & kAdd) == 0) return descriptor && !is_open(context.host, c.ident) ? EBADF : ENOENT;
  note = make(c);
  if (note == nullptr) return ENOMEM;
  const int error = attach(context, *note);
  if (error != 0) {
    drop(context.host, *note);
    return error;
  }
  // A descriptor's readiness comes from epoll.
  if (note->source == nullptr || !is_io(note->filter)) recheck(context, *note);
  return 0;
}

int Kqueue::attach(KqueueContext& context, Knote& note) noexcept {
  Host& host = context.host;
  switch (note.filter) {
    case kRead:
    case kWrite:
      return attach_descriptor(context, note, true);
    case kEmpty:
      return attach_empty(context, note);
    case kVnode:
      if (!context.registry.mark_watched(static_cast<int>(note.ident))) return ENOMEM;
      return attach_vnode(host, note);
    case kProc:
    case kProcdesc:
      return attach_process(context, note);
    case kSignal:
      return attach_signal(context, note);
    case kTimer:
      return attach_timer(host, note);
    case kUser:
      return 0;
    case kAio:
    case kLio:
      return EPERM;  // as FreeBSD: only the kernel itself adds them
    case kSendfile:
      return ENXIO;
    default:
      return EOPNOTSUPP;  // FS
  }
}

bool Kqueue::apply_pair(KqueueContext& context, const Event& first, const Event& second) noexcept {
  if (!is_io(first.filter) || !is_io(second.filter) || first.filter == second.filter) return false;
  if (first.ident != second.ident || first.ident > INT_MAX || first.flags != second.flags) return false;
  if ((first.flags & ~kClear) != kAdd) return false;
  if (find(first.filter, first.ident) != nullptr || find(second.filter, second.ident) != nullptr)
    return false;
  if (context.host.is_hidden(static_cast<int>(first.ident))) return false;

  Knote* one = make(first);
  if (one == nullptr) return false;
  Knote* two = make(second);
  if (two != nullptr && attach_descriptor(context, *one, false) == 0 &&
      attach_descriptor(context, *two, true) == 0 && two->source != nullptr) {
    return true;
  }
  drop(context.host, *one);
  if (two != nullptr) drop(context.host, *two);
  return false;
}

/// A change to a knote that exists. EV_CLEAR, EV_ONESHOT and EV_DISPATCH stay as they were at first.
int Kqueue::change(KqueueContext& context, Knote& note, const Event& c) noexcept {
  Host& host = context.host;
  if ((c.flags & kForceOneshot) != 0) {
    note.flags |= kOneshot;
    note.forced = true;
  }
  if ((c.flags & kKeepUdata) == 0) note.udata = c.udata;
  int error = 0;
  switch (note.filter) {
    case kUser:
      touch_user(note, c);
      break;
    case kTimer:
      error = touch_timer(host, note, c);
      break;
    case kProc:
      error = touch_process(context, note, c);
      break;
    case kVnode:
      note.wanted = c.fflags;
      note.parameter = c.data;
      if (note.watch >= 0) rewatch(host, note);
      if (note.directory) watch_removal(host, note);
      break;
    default:
      note.wanted = c.fflags;
      note.parameter = c.data;
      if (note.regular) note.latched = true;
      break;
  }
  if (error != 0) return error;
  if ((c.flags & kEnable) != 0) {
    enable(context, note);
  } else if ((c.flags & kDisable) != 0) {
    disable(host, note);
  } else {
    recheck(context, note);
  }
  return 0;
}

void Kqueue::enable(KqueueContext& context, Knote& note) noexcept {
  note.disabled = false;
  recheck(context, note);
}

void Kqueue::disable(Host& host, Knote& note) noexcept {
  if (note.disabled) return;
  note.disabled = true;
  dequeue(note);
  // An edge-triggered entry may stay: it costs a wake-up at most. A level-triggered one would never let the
  // queue sleep; with EPOLLONESHOT the kernel has already silenced it.
  if (note.source != nullptr && is_io(note.filter) && !note.source->edge &&
      (note.source->mask & EPOLLONESHOT) == 0) {
    arm(host, *note.source, false);
  }
}

void Kqueue::recheck(KqueueContext& context, Knote& note) noexcept {
  if (note.disabled) return;
  if (note.source != nullptr && is_io(note.filter) && !note.forced) return recheck_descriptor(context, note);
  if (evaluate(context, note)) enqueue(note);
}

void Kqueue::forget_descriptor(Host& host, int fd) noexcept {
  for (const int filter : {kRead, kWrite, kVnode, kProcdesc, kEmpty}) {
    Knote* note = find(filter, static_cast<std::uint64_t>(fd));
    if (note != nullptr) drop(host, *note);
  }
}

// --- ready knotes -----------------------------------------------------------------------------------------

void Kqueue::enqueue(Knote& note) noexcept {
  if (note.queued || note.disabled) return;
  note.queued = true;
  note.queue_previous = last_;
  note.queue_next = nullptr;
  (last_ == nullptr ? first_ : last_->queue_next) = &note;
  last_ = &note;
  ++queue_length_;
}

void Kqueue::dequeue(Knote& note) noexcept {
  if (!note.queued) return;
  note.queued = false;
  (note.queue_previous == nullptr ? first_ : note.queue_previous->queue_next) = note.queue_next;
  (note.queue_next == nullptr ? last_ : note.queue_next->queue_previous) = note.queue_previous;
  --queue_length_;
}

void Kqueue::settle(Host& host) noexcept {
  const bool wanted = first_ != nullptr;
  if (wanted == kicked_ || !live()) return;
  std::uint64_t value = 1;
  host.call(wanted ? SYS_write : SYS_read, fd_word(kick_->fd), host_word(&value), sizeof value);
  kicked_ = wanted;
}

std::optional<Ready> Kqueue::evaluate(KqueueContext& context, Knote& note) noexcept {
  if (note.forced) return Ready{0, note.fflags, note.data};
  switch (note.filter) {
    case kRead:
    case kWrite:
      if (note.regular) return evaluate_regular(context.host, note);
      return note.source != nullptr ? evaluate_descriptor(context, note, 0) : std::nullopt;
    case kEmpty:
      return evaluate_empty(context.host, note);
    case kUser:
      if (!note.latched) return std::nullopt;
      return Ready{0, note.wanted & kNoteFfMask, note.parameter};
    case kTimer:
      if (note.source != nullptr && !note.latched) timer_event(context.host, note);
      note.latched = false;
      [[fallthrough]];
    case kSignal:
      if (note.data == 0) return std::nullopt;
      return Ready{0, 0, note.data};
    case kVnode:
      if (note.fflags == 0) return std::nullopt;
      return Ready{(note.fflags & kNoteRevoke) != 0 ? kEof : 0, note.fflags, 0};
    case kAio:
    case kLio:
      if (note.source != nullptr && !note.latched) completion_event(context.host, note);
      if (!note.latched) return std::nullopt;
      return Ready{note.filter == kAio ? kEof : 0, 0, note.data};
    case kProc:
    case kProcdesc:
      look_for_end(context, note);
      if (note.fflags == 0) return std::nullopt;
      return Ready{0, note.fflags, note.data};
    default:
      return std::nullopt;
  }
}

void Kqueue::deliver(Host& host, Knote& note, const Ready& ready, Batch& batch) noexcept {
  if (note.scan == batch.scan) {
    // Once a call is enough. What the kernel reports only once must not be lost; a level will show again.
    const bool once = note.source != nullptr && (note.source->mask & EPOLLONESHOT) != 0;
    if ((note.flags & kClear) != 0 || once) enqueue(note);
    return;
  }
  if (batch.full()) return enqueue(note);
  Event& event = batch.out[batch.count++];
  event.ident = note.ident;
  event.filter = note.filter;
  event.flags = note.flags | ready.flags;
  event.fflags = ready.fflags;
  event.data = ready.data;
  event.udata = note.udata;
  event.ext = note.ext;
  note.scan = batch.scan;

  if ((note.flags & kOneshot) != 0) return drop(host, note);
  if ((note.flags & kClear) != 0) {
    note.data = 0;
    note.fflags = 0;
    note.latched = false;
  }
  if ((note.flags & kDispatch) != 0) return disable(host, note);
  dequeue(note);
  // A state that holds until the guest changes it, and that epoll does not show, stays queued.
  if ((note.flags & kClear) == 0 && (note.source == nullptr || !is_io(note.filter))) enqueue(note);
}

void Kqueue::scan(KqueueContext& context, Batch& batch) noexcept {
  for (unsigned left = queue_length_; left > 0 && first_ != nullptr && !batch.full(); --left) {
    Knote& note = *first_;
    dequeue(note);
    if (note.scan == batch.scan) {
      enqueue(note);
      continue;
    }
    if (const auto ready = evaluate(context, note)) {
      deliver(context.host, note, *ready, batch);
    } else if (note.source != nullptr && (note.source->mask & EPOLLONESHOT) != 0) {
      arm(context.host, *note.source, true);  // silenced when it was reported, which has come to nothing
    }
  }
}

void Kqueue::refresh_files(KqueueContext& context) noexcept {
  for (Knote* note = files_; note != nullptr; note = note->peer_next) {
    const bool told = (note->flags & kClear) != 0 && note->filter == kRead;  // by a watch
    if (!note->queued && !note->disabled && !told) recheck(context, *note);
  }
}

void Kqueue::dispatch(KqueueContext& context, const epoll_event& event, Batch& batch) noexcept {
  const auto index = static_cast<std::uint32_t>(event.data.u64);
  if (index >= sources_.size()) return;
  Source& source = sources_.at(index);
  if (!source.used || source.generation != static_cast<std::uint32_t>(event.data.u64 >> 32)) return;
  switch (source.kind) {
    case SourceKind::descriptor:
      return descriptor_event(context, source, event.events, batch);
    case SourceKind::timer:
      timer_event(context.host, *source.knotes[0]);
      break;
    case SourceKind::process:
      process_event(context, *source.knotes[0]);
      break;
    case SourceKind::processes:
      processes_event(context);
      break;
    case SourceKind::signals:
      signals_event(context);
      break;
    case SourceKind::blocked:
      take_blocked(context, true);
      signals_event(context);
      break;
    case SourceKind::watches:
      watches_event(context.host);
      break;
    case SourceKind::completion:
      completion_event(context.host, *source.knotes[0]);
      break;
    case SourceKind::kick:
      break;
  }
}

}  // namespace sudrun::abi::bsd
