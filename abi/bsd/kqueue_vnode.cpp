// EVFILT_VNODE, and the growth of regular files for EVFILT_READ, over one inotify instance per queue.
//
// Semantics: FreeBSD 14.0, sys/kern/vfs_subr.c (vop_*_post, filt_vfsvnode), lib/libsys/kqueue.2.
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>

#include "abi/bsd/host_file.hpp"
#include "abi/bsd/kqueue_state.hpp"

namespace sudrun::abi::bsd {
namespace {

using namespace kq;

/// What to watch for one knote.
std::uint32_t watch_mask(const Knote& note) noexcept {
  if (note.filter == kRead) return IN_MODIFY;
  if (note.owner != nullptr) return IN_DELETE;
  std::uint32_t mask = 0;
  const std::uint32_t wanted = note.wanted;
  if ((wanted & (kNoteWrite | kNoteExtend)) != 0)
    mask |= IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
  if ((wanted & kNoteLink) != 0) mask |= IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
  // An open file's last name may go without IN_DELETE_SELF: its link count tells.
  if ((wanted & (kNoteAttrib | kNoteDelete | kNoteLink)) != 0) mask |= IN_ATTRIB | IN_DELETE_SELF;
  if ((wanted & kNoteRename) != 0 || note.companion != nullptr) mask |= IN_MOVE_SELF;
  if ((wanted & kNoteOpen) != 0) mask |= IN_OPEN;
  if ((wanted & kNoteClose) != 0) mask |= IN_CLOSE_NOWRITE;
  if ((wanted & kNoteCloseWrite) != 0) mask |= IN_CLOSE_WRITE;
  if ((wanted & kNoteRead) != 0) mask |= IN_ACCESS;
  return mask != 0 ? mask : std::uint32_t{IN_DELETE_SELF};  // an unmount is always reported
}

NativeResult add_watch(Host& host, int inotify, const Knote& note, std::uint32_t mask) noexcept {
  // The very file, whatever has become of its name; or the directory it is in.
  const HostPath path("/proc/self/fd/", note.ident, note.owner != nullptr ? "/.." : "");
  return host.call(SYS_inotify_add_watch, fd_word(inotify), path.word(), mask);
}

}  // namespace

int Kqueue::attach_vnode(Host& host, Knote& note) noexcept {
  struct stat info {};
  const NativeResult known = host.call(SYS_fstat, note.ident, host_word(&info));
  if (is_error(known)) return static_cast<int>(errno_of(known));
  if (S_ISSOCK(info.st_mode) || (info.st_mode & S_IFMT) == 0) return EINVAL;
  note.size = info.st_size;
  note.links = info.st_nlink;
  if (const int error = watch(host, note)) return error;
  note.directory = S_ISDIR(info.st_mode);
  if (note.directory) watch_removal(host, note);
  return 0;
}

/// Removing a directory that is open shows nowhere but in the directory it was in: that one gets a watch too.
/// Where it cannot have one, the directory's NOTE_DELETE comes when its last descriptor is gone, which is
/// never.
void Kqueue::watch_removal(Host& host, Knote& note) noexcept {
  if ((note.wanted & kNoteDelete) == 0 || note.companion != nullptr) return;
  Knote* companion = knotes_.take();
  if (companion == nullptr) return;
  const std::uint32_t index = companion->pool_index;
  *companion = Knote{};
  companion->pool_index = index;
  companion->filter = kVnode;
  companion->ident = note.ident;
  companion->owner = &note;
  note.companion = companion;
  if (watch(host, *companion) != 0) {
    note.companion = nullptr;
    knotes_.give_back(companion);
    return;
  }
  rewatch(host, note);
}

/// Puts a knote on the inotify watch of its file. 0 or an errno.
int Kqueue::watch(Host& host, Knote& note) noexcept {
  if (watches_ == nullptr) {
    const NativeResult made = host.call(SYS_inotify_init1, IN_CLOEXEC | IN_NONBLOCK);
    if (const int error = add_helper(host, SourceKind::watches, made, nullptr)) return error;
  }
  const NativeResult added = add_watch(host, watches_->fd, note, watch_mask(note) | IN_MASK_ADD);
  if (is_error(added)) return added == -ENOSPC ? ENOMEM : static_cast<int>(errno_of(added));
  note.watch = static_cast<int>(added);
  Knote*& head = watch_bucket(note.watch);
  note.watch_next = head;
  head = &note;
  return 0;
}

/// Brings a watch's mask in line with the knotes on it.
void Kqueue::rewatch(Host& host, Knote& note) noexcept {
  std::uint32_t mask = 0;
  for (const Knote* other = watch_bucket(note.watch); other != nullptr; other = other->watch_next) {
    if (other->watch == note.watch) mask |= watch_mask(*other);
  }
  add_watch(host, watches_->fd, note, mask);
}

void Kqueue::unwatch(Host& host, Knote& note) noexcept {
  Knote* other = nullptr;
  for (Knote** at = &watch_bucket(note.watch); *at != nullptr;) {
    if (*at == &note) {
      *at = note.watch_next;
      continue;
    }
    if ((*at)->watch == note.watch) other = *at;
    at = &(*at)->watch_next;
  }
  if (other != nullptr) {
    rewatch(host, *other);
  } else {
    host.call(SYS_inotify_rm_watch, fd_word(watches_->fd), fd_word(note.watch));
  }
  note.watch = -1;
}

/// Reads what inotify has, with a buffer of our own: the wait path allocates nothing.
void Kqueue::watches_event(Host& host) noexcept {
  alignas(inotify_event) std::array<char, 4096> buffer;
  for (;;) {
    const NativeResult got =
        host.call(SYS_read, fd_word(watches_->fd), host_word(buffer.data()), buffer.size());
    if (is_error(got) || got == 0) return;
    const auto size = static_cast<std::size_t>(got);
    inotify_event next{};
    for (std::size_t at = 0; at + sizeof next <= size;) {
      inotify_event event{};
      std::memcpy(&event, buffer.data() + at, sizeof event);
      at += sizeof event + event.len;
      // A rename within one directory is two events with one cookie.
      bool within = false;
      if ((event.mask & IN_MOVED_FROM) != 0 && at + sizeof next <= size) {
        std::memcpy(&next, buffer.data() + at, sizeof next);
        within = (next.mask & IN_MOVED_TO) != 0 && next.cookie == event.cookie && next.wd == event.wd;
        if (within) at += sizeof next + next.len;
      }
      watch_happened(host, event.wd, event.mask, event.len != 0, within);
    }
  }
}

void Kqueue::watch_happened(Host& host, int watch, std::uint32_t mask, bool child,
                            bool moved_within) noexcept {
  if ((mask & IN_Q_OVERFLOW) != 0) {
    // Something was lost: every file may have changed.
    for (Knote* head : watch_buckets_) {
      for (Knote* note = head; note != nullptr; note = note->watch_next) {
        if (note->owner != nullptr) continue;
        note->latched = true;
        if (note->filter == kVnode) note->fflags |= note->wanted & (kNoteWrite | kNoteAttrib);
        if (note->filter != kVnode || note->fflags != 0) enqueue(*note);
      }
    }
    return;
  }
  if (watch < 0) return;

  Knote** at = &watch_bucket(watch);
  while (*at != nullptr) {
    Knote& note = **at;
    if (note.watch != watch) {
      at = &note.watch_next;
      continue;
    }
    if (note.filter == kRead) {
      note.latched = true;
      enqueue(note);
    } else if (note.owner != nullptr) {
      struct stat info {};
      if (child && (mask & (IN_DELETE | IN_ISDIR)) == (IN_DELETE | IN_ISDIR) && note.owner->links != 0 &&
          !is_error(host.call(SYS_fstat, note.ident, host_word(&info))) && info.st_nlink == 0) {
        note.owner->links = 0;
        note.owner->fflags |= kNoteDelete & note.owner->wanted;
        if (note.owner->fflags != 0) enqueue(*note.owner);
      }
    } else {
      std::uint32_t notes = 0;
      if (child) {
        // Of a directory's entries only coming and going is an event of the directory.
        if ((mask & (IN_CREATE | IN_DELETE)) != 0)
          notes = kNoteWrite | ((mask & IN_ISDIR) != 0 ? kNoteLink : 0);
        if ((mask & (IN_MOVED_FROM | IN_MOVED_TO)) != 0) {
          notes = kNoteWrite;
          if (!moved_within) notes |= kNoteExtend | ((mask & IN_ISDIR) != 0 ? kNoteLink : 0);
        }
      } else {
        if ((mask & (IN_MODIFY | IN_ATTRIB)) != 0) {
          struct stat info {};
          if (!is_error(host.call(SYS_fstat, note.ident, host_word(&info)))) {
            if ((mask & IN_MODIFY) != 0) notes |= kNoteWrite | (info.st_size > note.size ? kNoteExtend : 0);
            note.size = info.st_size;
            if (info.st_nlink < note.links) {
              notes |= kNoteDelete;
            } else if (info.st_nlink > note.links) {
              notes |= kNoteLink;
            } else if ((mask & IN_ATTRIB) != 0) {
              notes |= kNoteAttrib;
            }
            note.links = info.st_nlink;
          }
        }
        if ((mask & IN_DELETE_SELF) != 0) notes |= kNoteDelete;
        if ((mask & IN_MOVE_SELF) != 0) notes |= kNoteRename;
        if ((mask & IN_OPEN) != 0) notes |= kNoteOpen;
        if ((mask & IN_CLOSE_NOWRITE) != 0) notes |= kNoteClose;
        if ((mask & IN_CLOSE_WRITE) != 0) notes |= kNoteCloseWrite;
        if ((mask & IN_ACCESS) != 0) notes |= kNoteRead;
        if ((mask & IN_UNMOUNT) != 0) notes |= kNoteRevoke;
      }
      if ((mask & IN_MOVE_SELF) != 0 && note.companion != nullptr) {
        if (note.companion->watch >= 0) unwatch(host, *note.companion);
        this->watch(host, *note.companion);
      }
      // FreeBSD reports a forced unmount whether asked or not.
      note.fflags |= notes & (note.wanted | kNoteRevoke);
      if (note.fflags != 0) enqueue(note);
    }
    if ((mask & IN_IGNORED) != 0) {
      *at = note.watch_next;
      note.watch = -1;
      if (note.regular) ++unwatched_;
    } else {
      at = &note.watch_next;
    }
  }
}

}  // namespace sudrun::abi::bsd
