/*
 * libsudrun: programs and machine code of other systems, run inside your own program. docs/embedding.md shows
 * how; sudrun.hpp is the same for C++.
 *
 * Objects are opaque. A table says what calls are; a guest is a program, or code, with its memory, handlers
 * and threads; a thread is one flow of foreign code, which host threads run, stop and run on.
 *
 * Threads: tables may be used by all. Functions on one guest or thread must not be called by two host threads
 * at a time, unless they say so. Callbacks run on the host thread that runs the foreign code, on a stack of
 * the guest's (host_stack), between two instructions of it; they may do what other functions do, and must
 * not jump out with longjmp or an exception. Nothing here may be called in signal handlers.
 *
 * Every function that can fail returns a status and, where it has an `error` that is not null, says there in
 * one line what is wrong.
 */
#ifndef SUDRUN_SUDRUN_H
#define SUDRUN_SUDRUN_H

#include <stddef.h>
#include <stdint.h>

#if defined(SUDRUN_BUILD)
#define SUDRUN_API __attribute__((visibility("default")))
#else
#define SUDRUN_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* # Errors */

/** What a function has to say. */
typedef enum sudrun_status {
  SUDRUN_OK = 0,
  SUDRUN_E_ARGUMENT = 1, /**< an argument is null, too large, or names nothing */
  SUDRUN_E_TABLE = 2,    /**< a table cannot be read; the message has file, line and column */
  SUDRUN_E_PROGRAM = 3,  /**< a program cannot be loaded */
  SUDRUN_E_SYSTEM = 4,   /**< the host's kernel has refused something */
  SUDRUN_E_MEMORY = 5,   /**< no memory, or no room at that address */
  SUDRUN_E_STATE = 6,    /**< not now: the thread runs, has ended, or is in no call */
  SUDRUN_E_FAULT = 7     /**< a guest address that cannot be read or written */
} sudrun_status;

typedef struct sudrun_error {
  sudrun_status status;
  char message[500]; /**< one line, without a newline; cut where it is too long */
} sudrun_error;

/** The library's version, as in "0.1.0". */
SUDRUN_API const char *sudrun_version(void);

/* # Tables */

typedef struct sudrun_table sudrun_table;

/** A built-in table: "freebsd-amd64", "netbsd-amd64", "dragonfly-amd64" or "linux-amd64". */
SUDRUN_API sudrun_status sudrun_table_builtin(const char *abi, sudrun_table **table, sudrun_error *error);
/** A table file (docs/table-format.md), found as `sudrun --table` finds it. */
SUDRUN_API sudrun_status sudrun_table_from_file(const char *path, sudrun_table **table, sudrun_error *error);
/** The same from memory: `size` bytes of YAML. `name` is what messages call it. */
SUDRUN_API sudrun_status sudrun_table_from_text(const char *text, size_t size, const char *name,
                                                sudrun_table **table, sudrun_error *error);
/** Guests that use the table keep what they need of it. Null is nothing. */
SUDRUN_API void sudrun_table_free(sudrun_table *table);
/** Number of the call `name`; negative: the table has none of that name. */
SUDRUN_API int64_t sudrun_table_call_number(const sudrun_table *table, const char *name);
/** The table's number of the error `name` ("ENOENT"); 0: it has none of that name. */
SUDRUN_API int sudrun_table_errno(const sudrun_table *table, const char *name);

/* # Guests */

typedef struct sudrun_guest sudrun_guest;
typedef struct sudrun_thread sudrun_thread;
typedef struct sudrun_call sudrun_call;

/** How a guest is to be. Set `size`, and zero what you do not care about. */
typedef struct sudrun_guest_options {
  size_t size;         /**< sizeof(sudrun_guest_options) */
  const char *sysroot; /**< directory with the guest's own file tree; null: it sees the host's */
  const char *release; /**< release of its system it sees, as in "13.2"; null: the table's */
  size_t host_stack;   /**< bytes of stack for calls and callbacks of each thread; 0: 256 KiB */
} sudrun_guest_options;

/**
 * Makes a guest without code. `options` may be null. There may be many, of different tables.
 *
 * While there are guests the handlers of SIGSYS, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP and signal 59 are the
 * library's. What is not a guest's goes on to the handlers that were there before; when the last guest goes,
 * they come back.
 */
SUDRUN_API sudrun_status sudrun_guest_new(const sudrun_table *table, const sudrun_guest_options *options,
                                          sudrun_guest **guest, sudrun_error *error);
/**
 * Ends the threads the guest has made itself, and frees it with its threads and memory. SUDRUN_E_STATE: one of
 * yours is running, or the caller is in a handler on one of its own; nothing has happened. It waits for handlers on
 * the guest's own threads: hold no lock that they take. Null is nothing.
 */
SUDRUN_API sudrun_status sudrun_guest_free(sudrun_guest *guest);

/**
 * Loads the program in the file `path` and makes its first thread. `argv` and `envp` end with null; `envp` null:
 * an empty environment. The file must be one for the guest's table as far as it says what it is for.
 */
SUDRUN_API sudrun_status sudrun_guest_load_file(sudrun_guest *guest, const char *path,
                                                const char *const *argv, const char *const *envp,
                                                sudrun_thread **thread, sudrun_error *error);
/** The same from memory. `name` is what the program sees as its path. */
SUDRUN_API sudrun_status sudrun_guest_load_memory(sudrun_guest *guest, const void *bytes, size_t size,
                                                  const char *name, const char *const *argv,
                                                  const char *const *envp, sudrun_thread **thread,
                                                  sudrun_error *error);

#define SUDRUN_READ 1u
#define SUDRUN_WRITE 2u
#define SUDRUN_EXECUTE 4u

/**
 * Maps `size` bytes of zeros for the guest, at `*address`, or, if that is 0, where there is room, and stores
 * where. Only memory below 2^41 * 21 (0x2a0000000000) is the guest's: pointers to other memory are bad ones in
 * its calls, but code of yours may be anywhere.
 */
SUDRUN_API sudrun_status sudrun_guest_map(sudrun_guest *guest, size_t size, unsigned protection,
                                          uint64_t *address, sudrun_error *error);
/** Changes what may be done with whole pages, as after code has been written to them. */
SUDRUN_API sudrun_status sudrun_guest_protect(sudrun_guest *guest, uint64_t address, size_t size,
                                              unsigned protection, sudrun_error *error);
/** SUDRUN_E_FAULT: not all bytes are there; some may have been copied. Any host thread. */
SUDRUN_API sudrun_status sudrun_guest_read(sudrun_guest *guest, uint64_t address, void *buffer, size_t size);
SUDRUN_API sudrun_status sudrun_guest_write(sudrun_guest *guest, uint64_t address, const void *bytes,
                                            size_t size);

/**
 * A file that only the guest sees: its calls find `size` bytes under the absolute path `path`, which is in
 * place of any file of the host's. What the guest writes to it stays.
 */
SUDRUN_API sudrun_status sudrun_guest_add_file(sudrun_guest *guest, const char *path, const void *bytes,
                                               size_t size, sudrun_error *error);

/* # Calls */

/** When a handler is called. */
typedef enum sudrun_when {
  SUDRUN_BEFORE = 0,  /**< before the call is carried out; if it sets a result the call is not */
  SUDRUN_INSTEAD = 1, /**< in place of what the table says; sets a result, or the guest's system has no such call */
  SUDRUN_AFTER = 2    /**< when there is a result, which it may change */
} sudrun_when;

typedef void (*sudrun_handler)(sudrun_call *call, void *user);

/** Stands for all calls, also those the table does not know. */
#define SUDRUN_EVERY_CALL (-1)

/**
 * Has `handler` called for the call `number`. Of handlers for the same number and time the ones that were set
 * later are called first; those for every call after those for one. SUDRUN_E_STATE: the guest has run already.
 */
SUDRUN_API sudrun_status sudrun_guest_on_call(sudrun_guest *guest, int64_t number, sudrun_when when,
                                              sudrun_handler handler, void *user, sudrun_error *error);

/** Number and name of the call. The name is null where the table has none. */
SUDRUN_API int64_t sudrun_call_number(const sudrun_call *call);
SUDRUN_API const char *sudrun_call_name(const sudrun_call *call);
/** Argument `index` (0 to 7) as the whole word it came in; bits that its type has not may be anything. */
SUDRUN_API uint64_t sudrun_call_argument(const sudrun_call *call, unsigned index);
/** Changes an argument for what comes after this handler. */
SUDRUN_API void sudrun_call_set_argument(sudrun_call *call, unsigned index, uint64_t value);
SUDRUN_API sudrun_guest *sudrun_call_guest(const sudrun_call *call);
SUDRUN_API sudrun_thread *sudrun_call_thread(const sudrun_call *call);
/** Guest memory, as sudrun_guest_read() and sudrun_guest_write(); in a handler without a call of the host's. */
SUDRUN_API sudrun_status sudrun_call_read(sudrun_call *call, uint64_t address, void *buffer, size_t size);
SUDRUN_API sudrun_status sudrun_call_write(sudrun_call *call, uint64_t address, const void *bytes, size_t size);
/** A string with its NUL, of at most `size` bytes. SUDRUN_E_MEMORY: it is longer. */
SUDRUN_API sudrun_status sudrun_call_read_string(sudrun_call *call, uint64_t address, char *buffer, size_t size);

/** The call succeeds with `value`. The last result set counts. */
SUDRUN_API void sudrun_call_return(sudrun_call *call, uint64_t value);
/** It fails with the error `number` of the guest's system. */
SUDRUN_API void sudrun_call_fail(sudrun_call *call, int number);
/** It fails with the error that the table has for Linux's `number` (ENOENT of your errno.h). */
SUDRUN_API void sudrun_call_fail_as_host(sudrun_call *call, int number);
/** The guest's registers are as this handler leaves them: no result is written. */
SUDRUN_API void sudrun_call_keep_registers(sudrun_call *call);
/**
 * In a handler of SUDRUN_INSTEAD: carries out what the table says; its outcome is the result. As with the two below,
 * elsewhere than in a handler of this call the process is ended with a message (abort()).
 */
SUDRUN_API void sudrun_call_proceed(sudrun_call *call);
/** Whether there is a result, and it is success: then its value; else the guest's error number. */
SUDRUN_API int sudrun_call_has_result(const sudrun_call *call);
SUDRUN_API int sudrun_call_succeeded(const sudrun_call *call);
SUDRUN_API uint64_t sudrun_call_result(const sudrun_call *call);
/** Stops the thread here: sudrun_thread_run() returns SUDRUN_STOP_ASKED, and goes on from here next time. */
SUDRUN_API void sudrun_call_suspend(sudrun_call *call);
/** Ends the guest with `status`. Does not return. */
SUDRUN_API __attribute__((noreturn)) void sudrun_call_exit(sudrun_call *call, int status);

/* # Threads */

/** General registers, as in the processor. */
typedef struct sudrun_registers {
  uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15;
  uint64_t rip, rflags;
  uint64_t fs_base; /**< thread pointer */
} sudrun_registers;

/** Why a thread has stopped. */
typedef enum sudrun_reason {
  SUDRUN_STOP_EXITED = 1,       /**< the guest has ended itself; `value` is its exit status */
  SUDRUN_STOP_KILLED = 2,       /**< it died of signal `value` (Linux's number), at a fault of `address` */
  SUDRUN_STOP_THREAD_ENDED = 3, /**< only this thread has ended */
  SUDRUN_STOP_CALL = 4,         /**< it is about to make the call `value` */
  SUDRUN_STOP_ASKED = 5,        /**< sudrun_thread_suspend() or sudrun_call_suspend() */
  SUDRUN_STOP_DEADLINE = 6,     /**< its time is over */
  SUDRUN_STOP_RETURNED = 7      /**< the function of sudrun_thread_call() has returned `value` */
} sudrun_reason;

typedef struct sudrun_stop {
  sudrun_reason reason;
  int64_t value;
  uint64_t address;
} sudrun_stop;

/**
 * A thread that begins at `entry`, with a stack of `stack_size` bytes (0: 256 KiB) that the guest is given for
 * it, all other registers 0. For code you have mapped yourself: sudrun_thread_set_registers() does the rest.
 */
SUDRUN_API sudrun_status sudrun_thread_new(sudrun_guest *guest, uint64_t entry, size_t stack_size,
                                           sudrun_thread **thread, sudrun_error *error);
/** SUDRUN_E_STATE: it is running. Threads also go with their guest. Null is nothing. */
SUDRUN_API sudrun_status sudrun_thread_free(sudrun_thread *thread);
SUDRUN_API sudrun_guest *sudrun_thread_guest(const sudrun_thread *thread);

/** For sudrun_thread_run(): stop before each call. */
#define SUDRUN_TO_CALL 1u
/** For sudrun_thread_run(): no time limit. */
#define SUDRUN_FOREVER UINT64_MAX

/**
 * Runs the thread on the calling host thread until it stops: at its end, at the next call (SUDRUN_TO_CALL), when
 * `nanoseconds` are over, or when it is asked to. It may be run by another host thread next time. Signals of
 * yours wait meanwhile, but for SIGINT, SIGTERM, SIGHUP, SIGQUIT and SIGTSTP that you do not handle.
 * In a handler it may be a thread of another guest: the one whose handler it is waits, to any depth, and what it
 * has been asked meanwhile (its deadline, sudrun_thread_suspend()) comes when its handler is done.
 * SUDRUN_E_STATE: it has ended, or runs.
 */
SUDRUN_API sudrun_status sudrun_thread_run(sudrun_thread *thread, unsigned flags, uint64_t nanoseconds,
                                           sudrun_stop *stop, sudrun_error *error);
/** Asks a thread to stop, now or at the beginning of its next run. Any host thread. */
SUDRUN_API void sudrun_thread_suspend(sudrun_thread *thread);
/**
 * Calls the guest's function at `function` with up to six words (System V calling convention) and waits for
 * its result. `thread` is one that does not run, and is afterwards where it was; or, in a callback, the one
 * that the callback runs on, and then to any depth that host_stack has room for. If it stops before the
 * function returns, `*stop` (which may be null in a callback) says so, the status is SUDRUN_E_STATE, and
 * sudrun_thread_run() goes on with it.
 */
SUDRUN_API sudrun_status sudrun_thread_call(sudrun_thread *thread, uint64_t function, const uint64_t *arguments,
                                            unsigned count, uint64_t *result, sudrun_stop *stop,
                                            sudrun_error *error);
/** Of a thread that does not run, or that the callback runs on. */
SUDRUN_API sudrun_status sudrun_thread_registers(const sudrun_thread *thread, sudrun_registers *registers);
SUDRUN_API sudrun_status sudrun_thread_set_registers(sudrun_thread *thread, const sudrun_registers *registers);
/** In a function of sudrun_guest_add_function(): ends the guest with `status`. Does not return. */
SUDRUN_API __attribute__((noreturn)) void sudrun_thread_exit(sudrun_thread *thread, int status);
/**
 * The call that a thread with SUDRUN_STOP_CALL stands before, good until it runs on. A result that is set there
 * is the call's.
 */
SUDRUN_API sudrun_call *sudrun_thread_current_call(sudrun_thread *thread);

/** A function of yours that foreign code calls: six words of arguments, one of result. */
typedef uint64_t (*sudrun_function)(sudrun_thread *thread, const uint64_t *arguments, void *user);
/** Gives foreign code an address to call it at (System V calling convention). At most 250 for a guest. */
SUDRUN_API sudrun_status sudrun_guest_add_function(sudrun_guest *guest, sudrun_function function, void *user,
                                                   uint64_t *address, sudrun_error *error);

/** Threads the guest makes itself, which run on host threads of their own. */
typedef void (*sudrun_thread_observer)(sudrun_guest *guest, int began, void *user);
SUDRUN_API sudrun_status sudrun_guest_on_thread(sudrun_guest *guest, sudrun_thread_observer observer, void *user,
                                                sudrun_error *error);

#ifdef __cplusplus
}
#endif
#endif
