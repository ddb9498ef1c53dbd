import Foundation
import Likeness
import Testing

@testable import App

/// Teaching, from photos to an adapter, when nobody disturbs it and when nothing goes wrong but the person's mind.
@MainActor
struct TrainingWorkerTests {
    @Test func photosBecomeAnAdapterAndLeaveNothingElse() async throws {
        let world = World()
        let subject = try await world.newSubject()
        world.worker.start(subject.id)
        try await world.until(.done)
        await world.worker.finished()
        let left = filesUnder(world.subjects.files(subject.id).folder)
        #expect(left == ["subject.json", "adapter.safetensors", "preview.png"])
        #expect(world.subjects.find(subject.id)?.state == .ready)
        let session = try #require(world.fake.sessions.first)
        #expect(session.photos.count == 3)
        #expect(session.isClosed)
        #expect(world.worker.state.preview != nil)
        #expect(try #require(world.graph.measurements.read().secondsPerStep) > 0)
    }

    @Test func photosAreDeletedAsSoonAsTheyAreEncoded() async throws {
        let world = World.slow()
        let subject = try await world.newSubject()
        world.fake.hold(behind: .encoding, 4)
        world.worker.start(subject.id)
        try await world.until(.encoding)
        #expect(exists(world.subjects.files(subject.id).photos))
        world.fake.release()
        try await world.until { $0.stage == .training && $0.step > 2 }
        #expect(!exists(world.subjects.files(subject.id).photos))
    }

    @Test func pausingWaitsAndGoingOnGoesOn() async throws {
        let world = World.slow()
        let subject = try await world.newSubject()
        world.worker.start(subject.id)
        try await world.untilStep(5)
        world.worker.pause()
        try await world.until { $0.waiting && $0.cause == .person }
        try await Task.sleep(for: .milliseconds(20))
        let step = world.worker.state.step
        try await Task.sleep(for: .milliseconds(50))
        #expect(world.worker.state.step == step)
        world.worker.start(subject.id)
        try await world.until { $0.step > step && !$0.waiting && $0.cause == nil }
        #expect(world.fake.sessions.count == 1)
    }

    @Test func aPauseBeforeTheFirstStepHolds() async throws {
        let world = World.slow()
        let subject = try await world.newSubject()
        world.worker.start(subject.id)
        while world.worker.state.stage == .idle { await Task.yield() }
        world.worker.pause()
        try await world.until { $0.waiting && $0.cause == .person }
        try await Task.sleep(for: .milliseconds(50))
        // The pause may come a step behind the session's beginning.
        #expect(world.worker.state.step <= 1)
        world.worker.start(subject.id)
        try await world.untilStep(2)
    }

    @Test func aLongPauseFreesTheMemoryAndWaitsForThePerson() async throws {
        let world = World.slow(pacing: Pacing(longestHold: .milliseconds(20)))
        let subject = try await world.newSubject()
        world.worker.start(subject.id)
        try await world.untilStep(5)
        world.worker.pause()
        #expect(try await world.until(.suspended).cause == .person)
        await world.worker.finished()
        #expect(try #require(world.fake.sessions.first).isClosed)
        let record = try #require(world.subjects.find(subject.id)).resume
        #expect(record.held && record.step >= 5 && record.steps == 1000)
        #expect(!world.worker.hasPending)
        world.worker.start(subject.id)
        try await world.untilStep(6)
    }

    @Test func aHotPhoneWaitsUntilItIsCooler() async throws {
        let world = World.slow()
        world.worker.start(try await world.newSubject().id)
        try await world.untilStep(5)
        world.phone.phone.heat = .critical
        try await world.until { $0.waiting && $0.cause == .hot }
        world.phone.phone.heat = .nominal
        try await world.until { !$0.waiting && $0.cause == nil }
        world.fake.hurry()
        try await world.until(.done)
    }

    @Test func aPhoneThatStaysHotIsLeftAloneAndTriedAgainLater() async throws {
        let world = World.slow(pacing: Pacing(longestHold: .milliseconds(20)))
        world.worker.start(try await world.newSubject().id)
        try await world.untilStep(5)
        world.phone.phone.heat = .critical
        #expect(try await world.until(.suspended).cause == .hot)
        await world.worker.finished()
        #expect(world.worker.hasPending)
    }

    @Test func aSlowRunRestsInTurns() async throws {
        let world = World.slow()
        world.worker.start(try await world.newSubject().id)
        try await world.untilStep(5)
        world.phone.phone.lowPowerMode = true
        try await world.until { $0.cause == .lowPowerMode }
        #expect(!world.worker.state.waiting)
        let session = try #require(world.fake.sessions.first)
        let pauses = session.pauses
        try await wait(for: { session.pauses }) { $0 > pauses + 2 }
        #expect(!world.worker.state.waiting)
    }

    @Test func aMemoryWarningStopsTheStepsAndFreesWhatCanBeFreed() async throws {
        let world = World.slow()
        world.worker.start(try await world.newSubject().id)
        try await world.untilStep(5)
        await world.graph.memoryWarning()
        try await world.until { $0.waiting && $0.cause == .memoryLow }
        #expect(world.fake.trims == 1)
        // The warning counts for a second.
        try await world.until { !$0.waiting && $0.cause == nil }
    }

    @Test func trainingWaitsWhileAPictureIsPainted() async throws {
        let world = World.slow()
        world.worker.start(try await world.newSubject().id)
        try await world.untilStep(5)
        try await world.worker.whilePainting {
            try await world.until { $0.waiting && $0.cause == .painting }
            #expect(try #require(world.fake.sessions.first).isPaused)
        }
        try await world.until { !$0.waiting }
    }

    @Test func whatWasLearnedSoFarCanBeKept() async throws {
        let world = World.slow()
        let subject = try await world.newSubject()
        world.worker.start(subject.id)
        try await world.untilStep(5)
        world.worker.keepSoFar()
        #expect(try await world.until(.done).step < 1000)
        #expect(world.subjects.find(subject.id)?.state == .ready)
    }

    @Test func oneAfterTheOther() async throws {
        let world = World()
        let first = try await world.newSubject("Minka", createdAt: 1)
        let second = try await world.newSubject("Rex", createdAt: 2)
        world.worker.start(second.id)
        world.worker.start(first.id)
        try await wait(for: { world.subjects.subjects }) { $0.allSatisfy { $0.state == .ready } }
        await world.worker.finished()
        #expect(world.fake.sessions.count == 2)
    }

    @Test func everyEndIsTold() async throws {
        let world = World()
        var outcomes: [Outcome] = []
        world.worker.onOutcome = { outcomes.append($0) }
        let subject = try await world.newSubject()
        world.fake.failAtStep(7, .notFinite("training diverged"))
        world.worker.start(subject.id)
        await world.worker.finished()
        world.worker.start(subject.id)
        await world.worker.finished()
        let diverged = Problem(.diverged, "training diverged")
        let expected = [(Stage.failed, diverged), (.done, nil)].map {
            Outcome(subjectID: subject.id, name: "Minka", stage: $0, cause: nil, problem: $1)
        }
        #expect(outcomes == expected)
    }

    @Test func throwingAwayLeavesNoTrace() async throws {
        let world = World.slow()
        let subject = try await world.newSubject()
        world.worker.start(subject.id)
        try await world.untilStep(5)
        world.worker.discard(subject.id)
        await world.worker.finished()
        #expect(world.subjects.find(subject.id) == nil)
        #expect(world.folder.files.subtracting(["checked-model.json", "measurements.json"]) == [])
        #expect(world.worker.state.stage == .idle)
    }

    @Test func throwingAwayWhilePausedWorksToo() async throws {
        let world = World.slow()
        let subject = try await world.newSubject()
        world.worker.start(subject.id)
        try await world.untilStep(5)
        world.worker.pause()
        try await world.until { $0.waiting }
        world.worker.discard(subject.id)
        await world.worker.finished()
        #expect(world.subjects.find(subject.id) == nil)
    }

    @Test func throwingAwayWhatWaitsForItsTurnDoesNotBeginIt() async throws {
        let world = World.slow()
        let first = try await world.newSubject("Minka", createdAt: 1)
        let second = try await world.newSubject("Rex", createdAt: 2)
        world.worker.start(first.id)
        world.worker.start(second.id)
        try await world.untilStep(5)
        world.worker.discard(second.id)
        world.worker.keepSoFar()
        await world.worker.finished()
        try await wait(for: { world.subjects.subjects.map(\.id) }) { $0 == [first.id] }
        #expect(world.fake.sessions.count == 1)
    }

    @Test func startingWhatWasDeletedDoesNothing() async throws {
        let world = World()
        let subject = try await world.newSubject()
        try await world.subjects.delete(subject.id)
        world.worker.start(subject.id)
        await world.worker.finished()
        #expect(world.fake.sessions.isEmpty)
        #expect(world.folder.files == [])
    }
}
