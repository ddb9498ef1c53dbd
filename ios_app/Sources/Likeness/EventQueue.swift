/// What a call posted and its reader has not seen yet: from any thread to one task.
final class EventQueue<Event: Sendable>: Sendable {
    private struct State {
        var waiting: [Event] = []
        var outcome: Result<Void, any Error>?
        var reader: CheckedContinuation<Void, Never>?

        mutating func takeReader() -> CheckedContinuation<Void, Never>? {
            defer { reader = nil }
            return reader
        }
    }

    private let state = Locked(State())
    private let isProgress: @Sendable (Event) -> Bool

    init(isProgress: @escaping @Sendable (Event) -> Bool) {
        self.isProgress = isProgress
    }

    func post(_ event: Event) {
        let reader = state.withLock { state in
            if isProgress(event), let last = state.waiting.last, isProgress(last) { state.waiting.removeLast() }
            state.waiting.append(event)
            return state.takeReader()
        }
        reader?.resume()
    }

    /// How the call ended; nothing is posted afterwards.
    func end(_ outcome: Result<Void, any Error>) {
        let reader = state.withLock { state in
            state.outcome = outcome
            return state.takeReader()
        }
        reader?.resume()
    }

    var hasEnded: Bool {
        state.withLock { $0.outcome != nil }
    }

    /// The next event, nil behind the last one.
    ///
    /// - Throws: what the call threw, behind the last event
    func next() async throws -> Event? {
        while true {
            let (event, outcome) = state.withLock { state in
                (state.waiting.isEmpty ? nil : state.waiting.removeFirst(), state.outcome)
            }
            if let event { return event }
            if let outcome {
                try outcome.get()
                return nil
            }
            await waitForNews()
        }
    }

    /// Drops what comes until the call has ended.
    ///
    /// - Throws: what the call threw
    func waitForEnd() async throws {
        while try await next() != nil {}
    }

    private func waitForNews() async {
        await withCheckedContinuation { continuation in
            let hasNews = state.withLock { state in
                if !state.waiting.isEmpty || state.outcome != nil { return true }
                state.reader = continuation
                return false
            }
            if hasNews { continuation.resume() }
        }
    }
}
