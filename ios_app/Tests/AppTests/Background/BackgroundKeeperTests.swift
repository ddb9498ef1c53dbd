import Testing

@testable import App

/// When the worker may compute, with iOS's part played by the tests.
@MainActor
struct BackgroundKeeperTests {
    private let world = World.slow()
    private var keeper: BackgroundKeeper { world.graph.keeper }

    /// A subject that is being taught while the person looks.
    private func teaching() async throws -> Subject {
        let subject = try await world.newSubject()
        await keeper.enterScreen()
        world.graph.teach(subject)
        try await world.untilStep(5)
        return subject
    }

    @Test func withoutGraceLeavingTheScreenEndsTheWorkAfterACheckpoint() async throws {
        _ = try await teaching()
        keeper.leaveScreen()
        #expect(try await world.until(.suspended).cause == .system)
        #expect(world.time.isProcessingRequested)
        await world.worker.finished()
        await keeper.enterScreen()
        world.fake.hurry()
        try await world.until(.done)
        #expect(try #require(world.fake.sessions.last).resumedAt >= 5)
    }

    @Test func theSecondsOfGraceAreUsed() async throws {
        _ = try await teaching()
        let grace = FakeWork()
        world.time.nextGrace = grace
        keeper.leaveScreen()
        try await world.untilStep(20)
        #expect(grace.completions == [])
        grace.onExpiration?()
        try await world.until(.suspended)
        try await wait(for: { grace.completions }) { $0 == [false] }
        #expect(world.worker.hasPending)
        #expect(world.time.isProcessingRequested)
    }

    @Test func graceIsGivenBackWhenTheLastSubjectIsLearned() async throws {
        _ = try await teaching()
        let grace = FakeWork()
        world.time.nextGrace = grace
        keeper.leaveScreen()
        world.fake.hurry()
        try await world.until(.done)
        try await wait(for: { grace.completions }) { $0 == [true] }
        #expect(!world.time.isProcessingRequested)
        grace.onExpiration?()
        #expect(grace.completions == [true])
    }

    @Test func comingBackWithinTheGraceInterruptsNothing() async throws {
        _ = try await teaching()
        let grace = FakeWork()
        world.time.nextGrace = grace
        keeper.leaveScreen()
        await keeper.enterScreen()
        try await wait(for: { grace.completions }) { $0 == [false] }
        world.fake.hurry()
        try await world.until(.done)
        #expect(world.fake.sessions.count == 1)
    }

    @Test func aContinuedTaskKeepsTheWorkGoingBehindOtherApps() async throws {
        _ = try await teaching()
        #expect(world.time.continued == ["Minka"])
        let task = FakeWork()
        keeper.begin(task)
        keeper.leaveScreen()
        world.fake.hurry()
        try await world.until(.done)
        try await wait(for: { task.completions }) { $0 == [true] }
        #expect(world.fake.sessions.count == 1)
        #expect(task.fractions.allSatisfy { (0...1).contains($0) } && !task.fractions.isEmpty)
    }

    @Test func aContinuedTaskThatEndsWhileThePersonLooksEndsNothing() async throws {
        _ = try await teaching()
        let task = FakeWork()
        keeper.begin(task)
        task.onExpiration?()
        try await wait(for: { task.completions }) { $0 == [false] }
        #expect(world.worker.isWorking)
        world.fake.hurry()
        try await world.until(.done)
    }

    @Test func lentTimeLaterGoesOnInANewProcess() async throws {
        let subject = try await teaching()
        let next = World.slow(try world.kill())
        let task = FakeWork()
        next.graph.keeper.begin(task)
        try await next.untilStep(20)
        task.onExpiration?()
        try await next.until(.suspended)
        try await wait(for: { task.completions }) { $0 == [false] }
        #expect(next.time.isProcessingRequested)
        let last = FakeWork()
        next.fake.hurry()
        next.graph.keeper.begin(last)
        try await wait(for: { last.completions }) { $0 == [true] }
        #expect(next.subjects.find(subject.id)?.state == .ready)
        #expect(!next.time.isProcessingRequested)
    }

    @Test func twoPiecesOfTimeEndTheWorkWithTheLast() async throws {
        _ = try await teaching()
        let (first, second) = (FakeWork(), FakeWork())
        keeper.begin(first)
        keeper.begin(second)
        keeper.leaveScreen()
        first.onExpiration?()
        try await wait(for: { first.completions }) { $0 == [false] }
        #expect(world.worker.state.stage == .training)
        second.onExpiration?()
        try await world.until(.suspended)
        try await wait(for: { second.completions }) { $0 == [false] }
    }

    @Test func nothingIsAskedForWhereNothingIsUnfinished() async throws {
        _ = try await world.readySubject()
        await keeper.enterScreen()
        await world.worker.finished()
        keeper.leaveScreen()
        #expect(!world.time.isProcessingRequested)
        let task = FakeWork()
        keeper.begin(task)
        try await wait(for: { task.completions }) { $0 == [true] }
    }

    @Test func whatThePersonPausedStaysPaused() async throws {
        let subject = try await world.newSubject()
        try await world.subjects.note(ResumeRecord(held: true, step: 5, steps: 200), of: subject.id)
        await keeper.enterScreen()
        await world.worker.finished()
        #expect(world.fake.sessions.isEmpty)
    }
}
