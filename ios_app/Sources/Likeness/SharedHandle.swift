/// An object of the core that any number of threads use at the same time: an engine or an adapter.
///
/// Closing never waits. Whoever is inside keeps the object, as its owner does until it closes; whoever leaves last frees
/// it. So no address is used after it was freed, and a picture that is being painted when its engine is closed is
/// finished.
final class SharedHandle: Sendable {
    private final class Owned: Sendable {
        let object: CoreObject

        init(_ object: CoreObject) {
            self.object = object
        }

        deinit {
            object.free()
        }
    }

    private let what: String
    private let owned: Locked<Owned?>

    init(_ object: CoreObject, _ what: String) {
        self.what = what
        owned = Locked(Owned(object))
    }

    /// - Throws: ``ClosedError`` after ``close()``, and what `body` throws
    func use<Result>(_ body: (OpaquePointer) throws -> Result) throws -> Result {
        guard let owned = owned.withLock({ $0 }) else { throw ClosedError(what: what) }
        return try withExtendedLifetime(owned) { try body(owned.object.address) }
    }

    func close() {
        // Freed, if it is, behind the lock.
        let last = owned.withLock { owned in
            defer { owned = nil }
            return owned
        }
        _ = last
    }
}

extension Array where Element == SharedHandle {
    /// As ``SharedHandle/use(_:)``, with all of them.
    func useAll<Result>(_ body: ([OpaquePointer]) throws -> Result) throws -> Result {
        func enter(_ rest: ArraySlice<SharedHandle>, _ addresses: [OpaquePointer]) throws -> Result {
            guard let first = rest.first else { return try body(addresses) }
            return try first.use { try enter(rest.dropFirst(), addresses + [$0]) }
        }
        return try enter(self[...], [])
    }
}
