import Foundation
import Likeness
import Testing

@testable import App

/// Teaching that ends before it is done: kills, failures, lent time that is over.
@MainActor
struct InterruptionTests {
    @Test func aKillAtAnyTimeIsSurvived() async throws {
        let running = World.slow()
        let subject = try await running.newSubject()
        var instants = [try running.folder.snapshot()]
        running.fake.hold(behind: .encoding, 4)
        running.worker.start(subject.id)
        try await running.until(.encoding)
        instants.append(try running.folder.snapshot())
        running.fake.release()
        for step in [1, 60, 150] {
            try await running.untilStep(step)
            instants.append(try running.folder.snapshot())
        }
        _ = try running.kill()
        var resumedAt: [Int] = []
        for folder in instants {
            let next = World(folder, FakeStudio(step: .zero, trainSteps: 1000))
            await next.graph.ready()
            #expect(next.worker.hasPending)
            next.worker.resumePending()
            try await next.until(.done)
            await next.worker.finished()
            #expect(next.subjects.find(subject.id)?.state == .ready)
            resumedAt.append(try #require(next.fake.sessions.last).resumedAt)
        }
        #expect(resumedAt.prefix(2) == [0, 0])
        // The fake's checkpoints are five steps apart; more steps may be done until the copy is.
        #expect(resumedAt[3] > 55 && resumedAt[4] > 145 && resumedAt[4] < 1000, "\(resumedAt)")
    }

    @Test func aRunThatEndsTheProcessIsNotBegunForEver() async throws {
        var world = World.slow()
        let subject = try await world.newSubject()
        for _ in 0..<ResumeRecord.mostAttempts {
            await world.graph.ready()
            #expect(world.worker.hasPending)
            world.fake.hold(behind: .encoding, 4)
            world.worker.resumePending()
            try await world.until(.encoding)
            world = World.slow(try world.kill())
        }
        await world.graph.ready()
        #expect(!world.worker.hasPending)
        world.fake.hurry()
        world.worker.start(subject.id)
        try await world.until(.done)
        await world.worker.finished()
    }

    @Test func theLastKeeperToGoEndsTheWorkAfterACheckpoint() async throws {
        let world = World.slow()
        let subject = try await world.newSubject()
        let worker = world.worker
        worker.attach(.screen)
        worker.attach(.background)
        worker.start(subject.id)
        try await world.untilStep(5)
        worker.detach(.screen)
        worker.detach(.screen)
        try await world.untilStep(10)
        worker.resumePending()  // as every visit does
        worker.detach(.background)
        #expect(try await world.until(.suspended).cause == .system)
        await worker.finished()
        #expect(world.fake.sessions.count == 1)
        #expect(worker.hasPending)
        #expect(try #require(world.subjects.find(subject.id)).resume.step >= 10)
        world.fake.hurry()
        worker.resumePending()
        try await world.until(.done)
        #expect(try #require(world.fake.sessions.last).resumedAt >= 10)
    }

    @Test func throwingAwayWhatIsStoppingLeavesNoTraceEither() async throws {
        let world = World.slow()
        let subject = try await world.newSubject()
        world.worker.attach(.screen)
        world.worker.start(subject.id)
        try await world.untilStep(5)
        world.worker.detach(.screen)
        world.worker.discard(subject.id)
        world.worker.keepSoFar()
        await world.worker.finished()
        #expect(world.subjects.find(subject.id) == nil)
        #expect(filesUnder(world.layout.subjects) == [])
    }

    @Test func suspensionsAreNoAttemptsThatFailed() async throws {
        let world = World.slow()
        let subject = try await world.newSubject()
        world.fake.hold(behind: .encoding, 4)
        for _ in 0...ResumeRecord.mostAttempts {
            #expect(world.worker.hasPending)
            world.worker.attach(.background)
            world.worker.resumePending()
            try await world.until(.encoding)
            world.worker.detach(.background)
            try await world.until(.suspended)
            await world.worker.finished()
        }
        // Views were encoded, no step was taken.
        #expect(try #require(world.subjects.find(subject.id)).resume == ResumeRecord())
    }

    @Test func aFailureIsShownAndWaitsForThePerson() async throws {
        let world = World()
        let subject = try await world.newSubject()
        world.fake.failAtStep(7, .notFinite("training diverged"))
        world.worker.start(subject.id)
        #expect(try await world.until(.failed).problem?.kind == .diverged)
        await world.worker.finished()
        #expect(!world.worker.hasPending)
        #expect(try #require(world.fake.sessions.first).isClosed)
        world.worker.start(subject.id)
        try await world.until(.done)
        #expect(try #require(world.fake.sessions.last).resumedAt == 6)
    }

    @Test func aFullStorageAtTheEndCanBeGoneOnFrom() async throws {
        let world = World()
        let subject = try await world.newSubject()
        world.fake.failNext(.saveAdapter, .diskFull("no space"))
        world.worker.start(subject.id)
        #expect(try await world.until(.failed).problem?.kind == .storageFull)
        await world.worker.finished()
        world.worker.start(subject.id)
        try await world.until(.done)
    }

    /// The preview cannot be written: the session, which runs on its own thread, is stopped and closed all the same.
    @Test func aStorageThatFillsUpOnTheWayEndsTheSessionInOrder() async throws {
        let world = World.slow()
        let subject = try await world.newSubject()
        world.worker.start(subject.id)
        try await world.untilStep(5)
        world.volume.room = 10
        #expect(try await world.until(.failed).problem?.kind == .storageFull)
        await world.worker.finished()
        #expect(try #require(world.fake.sessions.first).isClosed)
        world.volume.room = .max
        world.worker.start(subject.id)
        try await world.untilStep(20)
    }

    @Test func aDiskThatTakesNoNoteEither() async throws {
        let world = World()
        let subject = try await world.newSubject()
        _ = try await world.graph.studios.get()
        world.volume.room = 0
        world.worker.start(subject.id)
        #expect(try await world.until(.failed).problem?.kind == .storageFull)
        await world.worker.finished()
        world.volume.room = .max
        world.worker.start(subject.id)
        try await world.until(.done)
    }

    @Test func aModelThatDoesNotOpenIsAFailureOfTheSubject() async throws {
        let world = World()
        world.openFailure.withLock { $0 = LikenessError.diskFull("no space") }
        let subject = try await world.newSubject()
        world.worker.start(subject.id)
        #expect(try await world.until(.failed).problem?.kind == .storageFull)
        await world.worker.finished()
        world.worker.start(subject.id)
        try await world.until(.done)
    }

    @Test func anUnusableJournalIsBegunAnewWhileThePhotosAreThere() async throws {
        let world = World()
        let subject = try await world.newSubject()
        try world.graph.disk.makeFolder(world.subjects.files(subject.id).journal)
        world.fake.failNext(.resumeSession, .corruptFile("the journal is damaged"))
        world.worker.start(subject.id)
        try await world.until(.done)
    }

    @Test func anUnusableJournalWithoutPhotosIsAFailure() async throws {
        let world = World.slow()
        world.worker.start(try await world.newSubject().id)
        try await world.untilStep(60)
        let next = World(try world.kill())
        await next.graph.ready()
        next.fake.failNext(.resumeSession, .corruptFile("the journal is damaged"))
        next.worker.resumePending()
        #expect(try await next.until(.failed).problem?.kind == .damagedFile)
    }
}
