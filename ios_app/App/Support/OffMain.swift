import Dispatch

/// Runs `work`, which blocks its thread, on a thread that may wait: neither the main one nor one of Swift's own, of
/// which there are as few as processors.
func offMain<Value: Sendable, Failure: Error>(
    _ work: @escaping @Sendable () throws(Failure) -> Value
) async throws(Failure) -> Value {
    let result: Result<Value, Failure> = await withCheckedContinuation { continuation in
        DispatchQueue.global(qos: .userInitiated).async {
            continuation.resume(returning: Result(catching: work))
        }
    }
    return try result.get()
}
