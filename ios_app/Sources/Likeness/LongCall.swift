/// A call that takes long and tells of its progress: painting, or a session's run.
protocol LongCall<Event>: AnyObject, Sendable {
    associatedtype Event: Sendable

    /// Before anything else; may refuse by throwing.
    func begin() throws

    /// In a task of its own, which is cancelled when ``interrupt()`` is called.
    func work(_ post: @escaping @Sendable (Event) -> Void) async throws

    /// After ``work(_:)``, whatever became of it.
    func end()

    /// From any thread, at any time after ``begin()``, also after ``end()``: ``work(_:)`` is to return soon.
    func interrupt()

    /// Whether it is worthless as soon as another such event follows it.
    func isProgress(_ event: Event) -> Bool
}

extension LongCall {
    func begin() throws {}

    func end() {}
}

/// A call that is a task and not the core's.
final class TaskCall<Event: Sendable>: LongCall {
    typealias Produce = @Sendable (_ emit: @escaping @Sendable (Event) -> Void) async throws -> Void

    private let isWorthless: @Sendable (Event) -> Bool
    private let produce: Produce

    init(isProgress: @escaping @Sendable (Event) -> Bool, produce: @escaping Produce) {
        isWorthless = isProgress
        self.produce = produce
    }

    func work(_ post: @escaping @Sendable (Event) -> Void) async throws {
        try await produce(post)
    }

    func interrupt() {}  // its task is cancelled

    func isProgress(_ event: Event) -> Bool {
        isWorthless(event)
    }
}
