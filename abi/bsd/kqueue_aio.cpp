// EVFILT_AIO and EVFILT_LIO: asynchronous requests, and lists of them, that are done.
//
// Semantics: FreeBSD 14.0, sys/kern/vfs_aio.c (filt_aio*, filt_lio*). Whoever completes a request, on
// whatever thread, needs to know nothing of queues: it writes to an eventfd.
#include <sys/syscall.h>

#include <cerrno>

#include "abi/bsd/kqueue_state.hpp"

namespace sudrun::abi::bsd {

int KqueueRegistry::add_completion(Host& host, const Table& table, int kq, const Event& event,
                                   int done) noexcept {
  Kqueue* queue = lock_queue(kq);
  if (queue == nullptr) {
    host.call(SYS_close, fd_word(done));
    return EBADF;
  }
  KqueueContext context{host, table, *this};
  const int error = queue->add_completion(context, event, done);
  queue->settle(host);
  queue->mutex().unlock();
  return error;
}

void KqueueRegistry::drop_completion(Host& host, int kq, int filter, std::uint64_t ident) noexcept {
  Kqueue* queue = lock_queue(kq);
  if (queue == nullptr) return;
  queue->drop_completion(host, filter, ident);
  queue->settle(host);
  queue->mutex().unlock();
}

int Kqueue::add_completion(KqueueContext& context, const Event& event, int done) noexcept {
  drop_completion(context.host, event.filter, event.ident);
  Knote* note = make(event);
  if (note == nullptr) {
    context.host.call(SYS_close, fd_word(done));
    return ENOMEM;
  }
  const int error = add_helper(context.host, SourceKind::completion, done, note);
  if (error != 0) drop(context.host, *note);
  return error;
}

void Kqueue::drop_completion(Host& host, int filter, std::uint64_t ident) noexcept {
  if (Knote* note = find(filter, ident)) drop(host, *note);
}

void Kqueue::completion_event(Host& host, Knote& note) noexcept {
  std::uint64_t count = 0;
  const NativeResult got = host.call(SYS_read, fd_word(note.source->fd), host_word(&count), sizeof count);
  if (got != sizeof count) return;
  note.data = static_cast<std::int64_t>(count) - 1;
  note.latched = true;
  enqueue(note);
}

}  // namespace sudrun::abi::bsd
