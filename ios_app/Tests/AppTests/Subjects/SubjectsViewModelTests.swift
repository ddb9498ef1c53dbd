import Foundation
import Likeness
import Testing

@testable import App

@MainActor
struct SubjectsViewModelTests {
    private let world = World()
    private let outside = AppFolder()
    private var model: SubjectsViewModel { ViewModels(world.graph).subjects }

    private func offer(_ bytes: Data, _ name: String = "rex.safetensors") throws -> URL {
        let file = outside.root.appending(path: name)
        try bytes.write(to: file)
        return file
    }

    @Test func opensTheModelAndListsSubjects() async throws {
        let minka = try await world.readySubject()
        let model = model
        await model.openModel()
        #expect(model.state.model == .ready)
        #expect(model.state.subjects == [minka])
    }

    @Test func aModelThatDoesNotOpenIsTriedAgainOnDemand() async throws {
        world.openFailure.withLock { $0 = StorageError.full("full") }
        let model = model
        await model.openModel()
        #expect(model.state.model == .failed(Problem(.storageFull, "full")))
        await model.openModel()
        #expect(model.state.model == .ready)
    }

    @Test func importsAnAdapter() async throws {
        await world.graph.ready()
        let model = model
        await model.importAdapter(try offer(FakeAdapterFile.bytes(["<rex>"], "dog")))
        #expect(model.state.notice == .imported && !model.state.importing && model.state.problem == nil)
        #expect(model.state.subjects.map(\.name) == ["rex"])
        model.dismissMessage()
        #expect(model.state.notice == nil)
    }

    @Test func saysWhyAFileWasRefused() async throws {
        await world.graph.ready()
        let model = model
        let good = FakeAdapterFile.bytes(["<rex>"], "dog")
        let cases: [(URL, LikenessError?, ProblemKind)] = [
            (try offer(Data("hello".utf8), "text"), nil, .notAnAdapter),
            (outside.root.appending(path: "missing"), nil, .storageFailed),
            (try offer(good), .wrongModel("of another model"), .otherModel),
            (try offer(good), .corruptFile("damaged"), .damagedFile),
        ]
        for (file, failure, kind) in cases {
            if let failure { world.fake.failNext(.loadAdapter, failure) }
            await model.importAdapter(file)
            #expect(model.state.problem?.kind == kind)
            #expect(!model.state.importing && model.state.notice == nil)
            model.dismissMessage()
        }
        #expect(model.state.subjects == [])
    }

    @Test func exportsAnAdapterAsItIsAndTakesItBack() async throws {
        let minka = try await world.readySubject("Mi/n ka")
        let model = model
        let before = world.folder.files
        await model.export(minka)
        let file = try #require(model.state.exporting?.file)
        #expect(file.lastPathComponent == "Mi-n-ka.safetensors")
        #expect(try Data(contentsOf: file) == Data(contentsOf: world.subjects.files(minka.id).adapter))
        await model.exported()
        #expect(model.state.exporting == nil)
        #expect(world.folder.files == before)
    }

    @Test func whatAKillLeftOnItsWayOutGoes() async throws {
        let minka = try await world.readySubject()
        let before = world.folder.files
        await model.export(minka)
        let next = World(world.folder)
        await next.graph.ready()
        #expect(world.folder.files == before)
    }

    @Test func saysWhyItCouldNotExport() async throws {
        let minka = try await world.readySubject()
        try await world.subjects.delete(minka.id)
        let model = model
        await model.export(minka)
        #expect(model.state.problem?.kind == .storageFailed)
        #expect(model.state.exporting == nil)
    }

    @Test func deletesWithOneCall() async throws {
        let minka = try await world.readySubject()
        let model = model
        model.delete(minka.id)
        try await wait(for: { model.state }) { $0.subjects.isEmpty }
        #expect(world.folder.files == [])
    }

    @Test func deletesWhatIsBeingLearned() async throws {
        let world = World.slow()
        let model = ViewModels(world.graph).subjects
        let minka = try await world.newSubject()
        world.worker.start(minka.id)
        try await wait(for: { model.state }) { $0.training.stage == .training }
        model.delete(minka.id)
        try await wait(for: { model.state }) { $0.subjects.isEmpty && $0.training.subjectID == nil }
    }
}
