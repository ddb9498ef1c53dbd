import Foundation
import Likeness
import Testing

@testable import App

@MainActor
struct TrainingViewModelTests {
    private func model(_ world: World, _ subject: Subject) -> TrainingViewModel {
        ViewModels(world.graph).training(subject.id)
    }

    @Test func showsProgressPreviewAndTheEnd() async throws {
        let world = World.slow()
        let model = model(world, try await world.newSubject())
        model.goOn()
        let training = try await wait(for: { model.state }) { $0.training.stage == .training }
        #expect(training.canPause && training.canKeepSoFar && training.canDiscard && !training.canGoOn)
        world.fake.hurry()
        let done = try await wait(for: { model.state }) { $0.training.stage == .done && $0.training.preview != nil }
        #expect(!(done.canPause || done.canGoOn || done.canKeepSoFar || done.canDiscard))
        #expect(world.time.continued == ["Minka"])
    }

    @Test func pausesAndGoesOn() async throws {
        let world = World.slow()
        let model = model(world, try await world.newSubject())
        model.goOn()
        try await wait(for: { model.state }) { $0.canPause }
        model.pause()
        let paused = try await wait(for: { model.state }) { $0.isHeld }
        #expect(paused.canGoOn && !paused.canPause)
        model.goOn()
        try await wait(for: { model.state }) { $0.canPause }
    }

    @Test func keepsWhatIsLearnedSoFar() async throws {
        let world = World.slow()
        let model = model(world, try await world.newSubject())
        model.goOn()
        try await wait(for: { model.state }) { $0.canKeepSoFar }
        model.keepSoFar()
        try await wait(for: { model.state }) { $0.training.stage == .done }
    }

    @Test func throwingAwayEndsTheScreen() async throws {
        let world = World.slow()
        let model = model(world, try await world.newSubject())
        model.goOn()
        try await wait(for: { model.state }) { $0.canPause }
        model.discard()
        try await wait(for: { model.state }) { $0.subject == nil }
    }

    @Test func showsWhatAnEarlierProcessLeft() async throws {
        let killed = World.slow()
        let subject = try await killed.newSubject()
        killed.worker.start(subject.id)
        try await killed.untilStep(20)
        let next = World(try killed.kill())
        await next.graph.ready()
        let model = model(next, subject)
        #expect(model.state.training.stage == .idle)
        #expect(model.state.training.steps == 1000)
        #expect(model.state.canGoOn && model.state.canDiscard)
        model.goOn()
        try await wait(for: { model.state }) { $0.training.stage == .done }
    }

    @Test func showsAFailureAlsoInTheNextProcess() async throws {
        let world = World()
        let subject = try await world.newSubject()
        world.fake.failAtStep(3, .notFinite("training diverged"))
        let model = model(world, subject)
        model.goOn()
        let state = try await wait(for: { model.state }) { $0.training.stage == .failed }
        #expect(state.training.problem?.detail == "training diverged")
        #expect(state.canGoOn)
        await world.worker.finished()
        let next = World(world.folder)
        await next.graph.ready()
        let shown = self.model(next, subject).state
        #expect(shown.training.stage == .failed && shown.training.problem?.kind == .diverged)
    }

    @Test func aSubjectThatWaitsItsTurnIsNotShownAsAnother() async throws {
        let world = World.slow()
        let first = model(world, try await world.newSubject("Minka", createdAt: 1))
        let second = model(world, try await world.newSubject("Rex", createdAt: 2))
        first.goOn()
        second.goOn()
        try await wait(for: { first.state }) { $0.training.stage == .training }
        #expect(second.state.training.stage == .idle)
        #expect(!second.state.canPause)
    }
}
