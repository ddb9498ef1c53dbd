import Foundation
import LikenessTestSupport
import Testing

@testable import Likeness

/// How a call becomes a stream, without the core: numbers are progress, texts are not.
@Suite(.timeLimit(.minutes(3)))
struct LongCallTests {
    enum Event: Sendable, Equatable {
        case number(Int)
        case text(String)
    }

    final class FakeCall: LongCall {
        typealias Work = @Sendable (FakeCall, @escaping @Sendable (Event) -> Void) throws -> Void

        let log = Locked<[String]>([])
        let interrupted = DispatchSemaphore(value: 0)
        private let refusal: LikenessError?
        private let blocking: Work

        init(refusal: LikenessError? = nil, _ work: @escaping Work) {
            self.refusal = refusal
            blocking = work
        }

        func begin() throws {
            note("begin")
            if let refusal { throw refusal }
        }

        func work(_ post: @escaping @Sendable (Event) -> Void) async throws {
            try await onThread("fake") { [self] in try blocking(self, post) }
        }

        func end() {
            note("end")
        }

        func interrupt() {
            note("interrupt")
            interrupted.signal()
        }

        func isProgress(_ event: Event) -> Bool {
            if case .number = event { true } else { false }
        }

        func note(_ line: String) {
            log.withLock { $0.append(line) }
        }

        var lines: [String] { log.withLock { $0 } }

        var stream: EventStream<Event> { EventStream { self } }
    }

    struct Mine: Error, Equatable {}

    @Test("a slow reader misses progress, and nothing else", arguments: 0..<20)
    func slowReader(_: Int) async throws {
        let posted = Locked(false)
        let call = FakeCall { _, post in
            for number in 1...100 {
                post(.number(number))
                if number % 10 == 0 { post(.text("preview \(number)")) }
            }
            post(.number(101))
            posted.withLock { $0 = true }
        }
        var seen: [Event] = []
        for try await event in call.stream {
            try await waitFor { posted.withLock { $0 } }  // while the first event is shown everything else happens
            seen.append(event)
        }
        let tens = Array(stride(from: 10, through: 100, by: 10))
        #expect(seen.filter { !call.isProgress($0) } == tens.map { .text("preview \($0)") })
        #expect(seen.last == .number(101))
        let progress = seen.compactMap { if case .number(let number) = $0 { number } else { nil } }
        #expect(progress == progress.sorted())
        #expect(Set(progress).isSuperset(of: tens))  // each before its preview
        #expect(progress.count <= 12)  // those, the last, and the one that was shown at first
        #expect(call.lines == ["begin", "end"])
    }

    @Test("a fast reader misses nothing that it had time for")
    func fastReader() async throws {
        let taken = DispatchSemaphore(value: 0)
        let call = FakeCall { _, post in
            post(.number(1))
            taken.wait()
            post(.number(2))
        }
        var seen: [Event] = []
        for try await event in call.stream {
            seen.append(event)
            taken.signal()
        }
        #expect(seen == [.number(1), .number(2)])
    }

    @Test("it works on a thread of its own")
    func ownThread() async throws {
        let name = Locked<String?>(nil)
        let call = FakeCall { _, _ in name.withLock { $0 = Thread.current.name } }
        try await call.stream.collect { _ in }
        #expect(name.withLock { $0 } == "fake")
    }

    @Test("its failure comes after its events, once")
    func failure() async throws {
        let call = FakeCall { _, post in
            post(.number(1))
            post(.text("a"))
            post(.number(2))
            throw LikenessError.diskFull("full")
        }
        var seen: [Event] = []
        var events = call.stream.makeAsyncIterator()
        await #expect(throws: LikenessError.diskFull("full")) {
            while let event = try await events.next() { seen.append(event) }
        }
        #expect(seen.suffix(2) == [.text("a"), .number(2)])
        #expect(try await events.next() == nil)
        #expect(call.lines == ["begin", "end"])
    }

    @Test("a call that refuses to begin is over")
    func refusal() async throws {
        let call = FakeCall(refusal: .busy("busy")) { call, _ in call.note("it must not work") }
        var events = call.stream.makeAsyncIterator()
        await #expect(throws: LikenessError.busy("busy")) { try await events.next() }
        #expect(try await events.next() == nil)
        #expect(call.lines == ["begin"])
    }

    @Test("a reader whose task is cancelled waits for the end")
    func cancelled() async throws {
        let call = FakeCall { call, post in
            post(.number(1))
            call.interrupted.wait()
            Thread.sleep(forTimeInterval: 0.1)  // the checkpoint
            call.note("checkpoint")
            throw LikenessError.cancelled("cancelled")
        }
        let started = Locked(false)
        let reader = Task {
            do {
                for try await _ in call.stream { started.withLock { $0 = true } }
                call.note("no error")
            } catch is CancellationError {
                call.note("told")
            }
        }
        try await waitFor { started.withLock { $0 } }
        reader.cancel()
        try await reader.value
        let lines = call.lines.filter { $0 != "interrupt" }
        #expect(lines == ["begin", "checkpoint", "end", "told"])
        #expect(call.lines.contains("interrupt"))
    }

    @Test("what else goes wrong while it is cancelled is not lost")
    func failsWhileCancelled() async throws {
        let call = FakeCall { call, post in
            post(.number(1))
            call.interrupted.wait()
            throw LikenessError.diskFull("full")
        }
        let reader = Task {
            try await call.stream.collect { _ in withUnsafeCurrentTask { $0?.cancel() } }
        }
        await #expect(throws: LikenessError.diskFull("full")) { try await reader.value }
    }

    @Test("an error of the one who collects ends it and is thrown when it has ended")
    func collectorFails() async throws {
        let call = FakeCall { call, post in
            post(.text("a"))
            call.interrupted.wait()
            Thread.sleep(forTimeInterval: 0.05)
            throw LikenessError.cancelled("cancelled")
        }
        await #expect(throws: Mine.self) { try await call.stream.collect { _ in throw Mine() } }
        #expect(call.lines == ["begin", "interrupt", "end"])
    }

    @Test("leaving the loop ends it")
    func leaving() async throws {
        let call = FakeCall { call, post in
            post(.text("a"))
            post(.text("b"))
            call.interrupted.wait()
        }
        var seen: [Event] = []
        for try await event in call.stream {
            seen.append(event)
            if seen.count == 2 { break }
        }
        try await waitFor { call.lines.count == 3 }
        #expect(seen == [.text("a"), .text("b")])
        #expect(call.lines == ["begin", "interrupt", "end"])
    }

    @Test("a reader whose task is cancelled already begins nothing")
    func cancelledBefore() async throws {
        let call = FakeCall { call, _ in call.note("it must not work") }
        let reader = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            for try await _ in call.stream {}
        }
        await #expect(throws: CancellationError.self) { try await reader.value }
        #expect(call.lines.isEmpty)
    }

    @Test("a stream of an app's own behaves the same")
    func ownStream() async throws {
        let ended = Locked(false)
        let stream = EventStream<Event>(isProgress: { _ in true }) { emit in
            defer { ended.withLock { $0 = true } }
            emit(.number(1))
            try await Task.sleep(for: .seconds(1000))
        }
        await #expect(throws: Mine.self) { try await stream.collect { _ in throw Mine() } }
        #expect(ended.withLock { $0 })
        let short = EventStream<Event>(isProgress: { _ in false }) { emit in
            emit(.number(1))
            emit(.number(2))
            throw Mine()
        }
        var seen: [Event] = []
        await #expect(throws: Mine.self) { for try await event in short { seen.append(event) } }
        #expect(seen == [.number(1), .number(2)])
    }
}
