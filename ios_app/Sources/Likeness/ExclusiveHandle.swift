/// An object of the core that belongs to one call at a time: a session.
///
/// A second call, and closing, are refused with ``LikenessError/busy(_:)`` while one is inside; nothing waits. Signals,
/// which the core takes at any time, may come beside a call. What nobody closed is freed with the handle.
final class ExclusiveHandle: Sendable {
    /// Who is inside, by identity.
    final class Visit: Sendable {}

    private struct State {
        var visit: Visit?
        var closed = false
    }

    private let what: String
    private let object: CoreObject
    private let state = Locked(State())

    init(_ object: CoreObject, _ what: String) {
        self.object = object
        self.what = what
    }

    deinit {
        if state.withLock({ !$0.closed }) { object.free() }
    }

    /// Goes inside until ``leave(_:)``.
    ///
    /// - Throws: ``ClosedError`` after ``close()``; ``LikenessError/busy(_:)`` while another call is inside
    func enter() throws -> Visit {
        try state.withLock { state in
            try checkOpen(state)
            try checkIdle(state)
            let visit = Visit()
            state.visit = visit
            return visit
        }
    }

    func leave(_ visit: Visit) {
        state.withLock { state in
            precondition(state.visit === visit, "whoever leaves must be inside")
            state.visit = nil
        }
    }

    /// The address; only between ``enter()`` and ``leave(_:)``.
    func address(_ visit: Visit) -> OpaquePointer {
        state.withLock { state in
            precondition(state.visit === visit, "whoever uses it must be inside")
            return object.address
        }
    }

    func use<Result>(_ body: (OpaquePointer) throws -> Result) throws -> Result {
        let visit = try enter()
        defer { leave(visit) }
        return try body(address(visit))
    }

    /// Calls `body`, which must return at once.
    ///
    /// - Throws: ``ClosedError`` after ``close()``
    func signal(_ body: (OpaquePointer) -> Void) throws {
        try state.withLock { state in
            try checkOpen(state)
            body(object.address)
        }
    }

    /// As ``signal(_:)``, but only while that visit lasts: nobody else's call is meant.
    func signal(during visit: Visit, _ body: (OpaquePointer) -> Void) {
        state.withLock { state in
            if state.visit === visit { body(object.address) }
        }
    }

    func close() throws {
        try state.withLock { state in
            guard !state.closed else { return }
            try checkIdle(state)
            state.closed = true
            object.free()
        }
    }

    private func checkOpen(_ state: State) throws {
        if state.closed { throw ClosedError(what: what) }
    }

    private func checkIdle(_ state: State) throws {
        guard state.visit == nil else {
            throw LikenessError.busy("the \(what) is in use by another call; wait or cancel it first")
        }
    }
}
