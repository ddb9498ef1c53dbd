import CLikeness

/// One call of lk_session_run.
final class SessionRun: LongCall {
    private enum State {
        case waiting(ExclusiveHandle)
        case inside(ExclusiveHandle, ExclusiveHandle.Visit)
        /// It does not keep the session any longer.
        case over
    }

    private let state: Locked<State>

    init(_ handle: ExclusiveHandle) {
        state = Locked(.waiting(handle))
    }

    func begin() throws {
        guard case .waiting(let handle) = state.withLock({ $0 }) else { return }
        let visit = try handle.enter()
        state.withLock { $0 = .inside(handle, visit) }
    }

    func work(_ post: @escaping @Sendable (TrainEvent) -> Void) async throws {
        try await onThread("likeness-train") { [self] in
            guard case .inside(let handle, let visit) = state.withLock({ $0 }) else { return }
            let listener = Listener(post)
            try withExtendedLifetime(listener) {
                var callbacks = listener.callbacks
                try check(lk_session_run(handle.address(visit), &callbacks))
            }
        }
    }

    func end() {
        guard case .inside(let handle, let visit) = state.withLock({ $0 }) else { return }
        state.withLock { $0 = .over }
        handle.leave(visit)
    }

    func interrupt() {
        guard case .inside(let handle, let visit) = state.withLock({ $0 }) else { return }
        handle.signal(during: visit, lk_session_cancel)
    }

    func isProgress(_ event: TrainEvent) -> Bool {
        if case .progress = event { true } else { false }
    }
}

/// lk_train_callbacks for as long as it lives.
private final class Listener {
    private let post: @Sendable (TrainEvent) -> Void

    init(_ post: @escaping @Sendable (TrainEvent) -> Void) {
        self.post = post
    }

    var callbacks: lk_train_callbacks {
        lk_train_callbacks(
            user: Unmanaged.passUnretained(self).toOpaque(),
            progress: { user, progress in
                Listener.at(user).post(.progress(.init(progress!.pointee)))
                return 0
            },
            preview: { user, step, pixels, size in
                let side = Int(size)
                let rgb = UnsafeRawBufferPointer(start: pixels, count: Picture.bytesPerPixel * side * side)
                Listener.at(user).post(.preview(.init(step: Int(step), picture: Picture(side: side, rgb: rgb))))
                return 0
            })
    }

    private static func at(_ user: UnsafeMutableRawPointer?) -> Listener {
        Unmanaged<Listener>.fromOpaque(user!).takeUnretainedValue()
    }
}

extension TrainEvent.Progress {
    fileprivate init(_ progress: lk_progress) {
        self.init(
            phase: progress.phase == LK_PHASE_ENCODING.rawValue ? .encoding : .training, step: Int(progress.step),
            steps: Int(progress.steps), loss: progress.loss, secondsElapsed: progress.seconds,
            secondsLeft: progress.eta)
    }
}
