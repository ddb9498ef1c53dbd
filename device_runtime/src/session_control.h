// Pause and cancel: flags that any thread sets and that the running thread looks at.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "error.h"

namespace likeness {

class SessionControl {
 public:
  // Lives while a session runs. A cancel() that comes meanwhile is meant for that run and ends with
  // it, also where the run ends otherwise.
  class Run {
   public:
    explicit Run(SessionControl& control) : control_(control) {}
    ~Run() { control_.set(control_.cancelled_, false); }
    Run(const Run&) = delete;
    Run& operator=(const Run&) = delete;

   private:
    SessionControl& control_;
  };

  void pause() { set(paused_, true); }
  void unpause() { set(paused_, false); }
  void cancel() { set(cancelled_, true); }

  bool pausing() const { return paused_; }
  bool cancelling() const { return cancelled_; }

  // Throws Error{cancelled} where somebody cancelled.
  void check() const {
    if (cancelled_) throw Error(ErrorCode::cancelled, "training was cancelled");
  }

  // Returns when nobody pauses any more, or somebody cancels.
  void wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [&] { return !paused_ || cancelled_; });
  }

 private:
  void set(std::atomic<bool>& flag, bool value) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      flag = value;
    }
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<bool> paused_{false};
  std::atomic<bool> cancelled_{false};
};

// Lets one thread in; Error{busy} for a second one.
class ExclusiveUse {
 public:
  ExclusiveUse(std::atomic<bool>& busy, const char* what) : busy_(busy) {
    if (busy.exchange(true)) throw Error(ErrorCode::busy, what);
  }
  ~ExclusiveUse() { busy_ = false; }
  ExclusiveUse(const ExclusiveUse&) = delete;
  ExclusiveUse& operator=(const ExclusiveUse&) = delete;

 private:
  std::atomic<bool>& busy_;
};

}  // namespace likeness
