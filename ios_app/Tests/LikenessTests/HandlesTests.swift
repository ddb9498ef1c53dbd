import Testing

@testable import Likeness

/// Who may use an object of the core, and when it is freed; without the core.
struct HandlesTests {
    private let freed = Locked<[OpaquePointer]>([])

    private var freedSoFar: [OpaquePointer] { freed.withLock { $0 } }

    private func address(_ number: Int = 1) throws -> OpaquePointer {
        try #require(OpaquePointer(bitPattern: number))
    }

    private func object(_ number: Int = 1) throws -> CoreObject {
        CoreObject(try address(number)) { [freed] address in freed.withLock { $0.append(address) } }
    }

    @Test("a shared object is freed once, by whoever leaves last")
    func lastFrees() throws {
        let handle = SharedHandle(try object(), "thing")
        try handle.use { outer in
            let inner = try handle.use { $0 }
            #expect(inner == outer)
            handle.close()
            handle.close()
            #expect(throws: ClosedError(what: "thing")) { try handle.use { _ in } }
            #expect(freedSoFar.isEmpty)
        }
        #expect(try freedSoFar == [address()])
    }

    @Test("a shared object that nobody uses is freed when it is closed, or let go")
    func freedUnused() throws {
        struct Mine: Error {}
        let handle = SharedHandle(try object(), "thing")
        #expect(throws: Mine.self) { try handle.use { _ in throw Mine() } }
        #expect(freedSoFar.isEmpty)
        handle.close()
        #expect(try freedSoFar == [address()])
        _ = SharedHandle(try object(2), "other")
        #expect(try freedSoFar == [address(), address(2)])
    }

    @Test("several are used together or not at all")
    func together() throws {
        let open = SharedHandle(try object(), "thing")
        let closed = SharedHandle(try object(2), "other")
        closed.close()
        #expect(throws: ClosedError(what: "other")) { try [open, closed].useAll { _ in } }
        #expect(try [open, open].useAll { $0 } == [address(), address()])
        open.close()
        #expect(try freedSoFar == [address(2), address()])
    }

    @Test("an exclusive object takes one visit at a time and is not closed during it")
    func oneVisit() async throws {
        let handle = ExclusiveHandle(try object(), "thing")
        let visit = try handle.enter()
        #expect(try handle.address(visit) == address())
        await expectFails(LikenessError.busy, "the thing is in use") { try handle.enter() }
        await expectFails(LikenessError.busy) { try handle.use { _ in } }
        await expectFails(LikenessError.busy) { try handle.close() }
        handle.leave(visit)
        let inside = try handle.enter()
        await expectFails(LikenessError.busy) { try handle.close() }
        handle.leave(inside)
        #expect(freedSoFar.isEmpty)
        for _ in 0..<2 { try handle.close() }
        #expect(try freedSoFar == [address()])
        #expect(throws: ClosedError(what: "thing")) { try handle.enter() }
    }

    @Test("an exclusive object that is let go is freed, once")
    func letGo() throws {
        do {
            let closed = ExclusiveHandle(try object(), "thing")
            try closed.close()
            let open = ExclusiveHandle(try object(2), "thing")
            try open.use { _ in }
        }
        #expect(try freedSoFar == [address(), address(2)])
    }

    @Test("signals come at any time, and those for a visit only during it")
    func signals() throws {
        let handle = ExclusiveHandle(try object(), "thing")
        var signals = 0
        try handle.signal { _ in signals += 1 }
        let visit = try handle.enter()
        try handle.signal { _ in signals += 1 }
        handle.signal(during: visit) { _ in signals += 1 }
        #expect(signals == 3)
        handle.leave(visit)
        handle.signal(during: visit) { _ in signals += 1 }
        let another = try handle.enter()
        handle.signal(during: visit) { _ in signals += 1 }
        handle.leave(another)
        try handle.close()
        handle.signal(during: visit) { _ in signals += 1 }
        #expect(throws: ClosedError(what: "thing")) { try handle.signal { _ in signals += 1 } }
        #expect(signals == 3)
    }
}
