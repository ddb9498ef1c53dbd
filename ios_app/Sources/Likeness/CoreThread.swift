import Foundation

/// Runs `work`, which blocks, on a thread of its own: Swift's pool has a thread a core and must never wait.
///
/// The thread keeps neither `work` nor its result when this returns: whoever then drops an object of the core frees it.
///
/// - Parameter name: of the thread, for debuggers; at most 15 bytes, Linux's limit
func onThread<Value: Sendable>(_ name: String, _ work: @escaping @Sendable () throws -> Value) async throws -> Value {
    let job = Job(work)
    await withCheckedContinuation { continuation in
        let thread = Thread {
            Thread.current.name = name
            job.run()
            continuation.resume()
        }
        thread.stackSize = stackBytes
        thread.start()
    }
    return try job.takeResult()
}

/// A main thread's: on Apple's systems other threads have half a megabyte, which nobody measured the core's programs in.
private let stackBytes = 8 << 20

private final class Job<Value: Sendable>: Sendable {
    private enum State {
        case waiting(@Sendable () throws -> Value)
        case done(Result<Value, any Error>)
        case over
    }

    private let state: Locked<State>

    init(_ work: @escaping @Sendable () throws -> Value) {
        state = Locked(.waiting(work))
    }

    func run() {
        guard case .waiting(let work) = take() else { return }
        let result = Result { try work() }
        state.withLock { $0 = .done(result) }
    }

    func takeResult() throws -> Value {
        guard case .done(let result) = take() else { preconditionFailure("it is taken once, when the job has run") }
        return try result.get()
    }

    private func take() -> State {
        state.withLock { state in
            defer { state = .over }
            return state
        }
    }
}
