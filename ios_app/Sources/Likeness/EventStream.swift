/// What a long call tells on its way: painting, or a session's run.
///
///     for try await event in session.run() { show(event) }
///
/// It is cold: each iteration makes a call of its own, which begins when the first event is asked for. A slow reader
/// misses progress that newer progress follows, and nothing else. The call's error is thrown after its events.
///
/// Where the reading task is cancelled the call is interrupted, and the reader gets `CancellationError` only when the
/// call has ended; an error that it ended with (no space for its checkpoint, say) is thrown instead. Leaving a loop early
/// (break, return, an error of its own) interrupts the call too but cannot wait for it: a session stays busy for as long
/// as a step takes. ``collect(isolation:_:)`` does wait.
public struct EventStream<Event: Sendable>: AsyncSequence, Sendable {
    public typealias Element = Event

    private let newCall: @Sendable () throws -> any LongCall<Event>

    init(_ newCall: @escaping @Sendable () throws -> any LongCall<Event>) {
        self.newCall = newCall
    }

    /// A stream that is not the core's, for a ``Studio`` or a ``Personalization`` of an app's own: tests, previews.
    ///
    /// - Parameters:
    ///   - isProgress: whether an event is worthless as soon as another such event follows it
    ///   - produce: gives its events to the function it gets. It runs in a task of its own, which is cancelled where
    ///     the reader is, or stops reading
    public init(
        isProgress: @escaping @Sendable (Event) -> Bool,
        produce: @escaping @Sendable (_ emit: @escaping @Sendable (Event) -> Void) async throws -> Void
    ) {
        self.init { TaskCall(isProgress: isProgress, produce: produce) }
    }

    public func makeAsyncIterator() -> Iterator {
        Iterator(reading: Reading(newCall))
    }

    /// Gives every event to `action`. Whatever ends that early (an error of its own, cancellation) interrupts the call,
    /// and is thrown when the call has ended.
    public func collect(
        isolation: isolated (any Actor)? = #isolation, _ action: (Event) async throws -> Void
    ) async throws {
        let reading = Reading(newCall)
        while let event = try await reading.next() {
            do {
                try await action(event)
            } catch {
                try await reading.leave(with: error)
            }
        }
    }

    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let reading: Reading<Event>

        public mutating func next() async throws -> Event? {
            try await reading.next()
        }
    }
}

/// One iteration over an ``EventStream``. The call does not keep it: where its reader drops it, the call is interrupted.
private final class Reading<Event: Sendable>: Sendable {
    private enum State {
        case notBegun(@Sendable () throws -> any LongCall<Event>)
        case begun(Running<Event>)
        case over
    }

    private let state: Locked<State>

    init(_ newCall: @escaping @Sendable () throws -> any LongCall<Event>) {
        state = Locked(.notBegun(newCall))
    }

    deinit {
        if case .begun(let running) = state.withLock({ $0 }) { running.interrupt() }
    }

    func next() async throws -> Event? {
        guard let running = try running() else { return nil }
        do {
            let event = try await withTaskCancellationHandler {
                try await running.events.next()
            } onCancel: {
                running.interrupt()
            }
            if Task.isCancelled { try await leave(with: CancellationError()) }
            if event == nil { finish() }
            return event
        } catch {
            finish()
            // The core says that it was cancelled; to this task that is nothing but its own cancellation.
            if case LikenessError.cancelled = error, Task.isCancelled { throw CancellationError() }
            throw error
        }
    }

    /// Ends the call early, waits for that and throws `reason`; where that is a cancellation and the call failed while it
    /// ended, that failure.
    func leave(with reason: any Error) async throws {
        guard case .begun(let running) = state.withLock({ $0 }) else { throw reason }
        finish()
        running.interrupt()
        do {
            try await running.events.waitForEnd()
        } catch LikenessError.cancelled {
        } catch let failure where reason is CancellationError && !(failure is CancellationError) {
            throw failure
        } catch {}
        throw reason
    }

    /// The call, begun if it is not yet; nil when it is over.
    private func running() throws -> Running<Event>? {
        switch state.withLock({ $0 }) {
        case .begun(let running): return running
        case .over: return nil
        case .notBegun(let newCall):
            finish()  // whatever refuses here is not asked again
            try Task.checkCancellation()
            let running = try Running(newCall())
            state.withLock { $0 = .begun(running) }
            return running
        }
    }

    private func finish() {
        state.withLock { $0 = .over }
    }
}

/// A call that has begun.
private struct Running<Event: Sendable>: Sendable {
    let events: EventQueue<Event>
    private let call: any LongCall<Event>
    private let task: Task<Void, Never>

    init(_ call: any LongCall<Event>) throws {
        let events = EventQueue<Event>(isProgress: { [call] in call.isProgress($0) })
        try call.begin()
        task = Task.detached {
            let outcome: Result<Void, any Error>
            do {
                outcome = .success(try await call.work { events.post($0) })
            } catch {
                outcome = .failure(error)
            }
            call.end()  // before it is told: the reader may close then what the call used
            events.end(outcome)
        }
        self.events = events
        self.call = call
    }

    func interrupt() {
        call.interrupt()
        task.cancel()
    }
}
