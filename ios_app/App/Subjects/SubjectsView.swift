#if canImport(SwiftUI)
import SwiftUI
import UniformTypeIdentifiers

/// The gallery of subjects, how far the model is, and the ways in: teaching and importing.
struct SubjectsView: View {
    let model: SubjectsViewModel
    let go: (Route) -> Void
    let paint: (Subject) -> Void

    @State private var isImporting = false
    @State private var deleting: Subject?

    var body: some View {
        let state = model.state
        List {
            messages(state)
            ForEach(state.subjects) { subject in
                SubjectRow(
                    subject: subject, training: state.training, preview: model.previewFile(subject.id),
                    open: { open(subject) }, export: { Task { await model.export(subject) } },
                    delete: { deleting = subject })
            }
        }
        .overlay {
            if state.subjects.isEmpty { empty }
        }
        .navigationTitle(Words.subjectsTitle)
        .toolbar { toolbar }
        .safeAreaInset(edge: .bottom) { teach }
        .task { await model.openModel() }
        .fileImporter(isPresented: $isImporting, allowedContentTypes: [.data]) { chosen in
            if let file = try? chosen.get() { Task { await model.importAdapter(file) } }
        }
        .sheet(item: exporting) { export in
            ShareSheet(file: export.file) { Task { await model.exported() } }
        }
        .confirmationDialog(
            Words.deleteSubject(name(deleting)), isPresented: isDeleting, titleVisibility: .visible,
            presenting: deleting
        ) { subject in
            Button(Words.delete, role: .destructive) { model.delete(subject.id) }
        } message: { _ in
            Text(Words.deleteSubjectDetail)
        }
    }

    @ViewBuilder
    private func messages(_ state: SubjectsUiState) -> some View {
        switch state.model {
        case .closed, .ready: EmptyView()
        case .opening: ProgressView(Words.modelOpening)
        case .failed(let problem):
            ProblemBanner(problem: problem, dismiss: nil)
            Button(Words.tryAgain) { Task { await model.openModel() } }
        }
        if state.importing { ProgressView(Words.importing) }
        if state.notice == .imported { NoticeBanner(text: Words.imported, dismiss: model.dismissMessage) }
        if let problem = state.problem { ProblemBanner(problem: problem, dismiss: model.dismissMessage) }
    }

    private var empty: some View {
        ContentUnavailableView(
            Words.subjectsEmpty, systemImage: "pawprint", description: Text(Words.subjectsEmptyDetail))
    }

    private var teach: some View {
        Button {
            go(.teach)
        } label: {
            Label(Words.teachTitle, systemImage: "plus").frame(maxWidth: .infinity)
        }
        .buttonStyle(.borderedProminent)
        .controlSize(.large)
        .padding()
    }

    @ToolbarContentBuilder
    private var toolbar: some ToolbarContent {
        ToolbarItem(placement: .topBarLeading) {
            Button(Words.settingsTitle, systemImage: "gearshape") { go(.settings) }
        }
        ToolbarItem(placement: .topBarTrailing) {
            Button(Words.importAdapter, systemImage: "square.and.arrow.down") { isImporting = true }
                .disabled(model.state.importing)
        }
    }

    private var exporting: Binding<SubjectsUiState.Export?> {
        Binding(showing: { model.state.exporting }, telling: { if $0 == nil { Task { await model.exported() } } })
    }

    private var isDeleting: Binding<Bool> {
        Binding(showing: { deleting != nil }, telling: { if !$0 { deleting = nil } })
    }

    private func open(_ subject: Subject) {
        switch subject.state {
        case .ready: paint(subject)
        case .learning: go(.training(subject.id))
        case .damaged: deleting = subject
        }
    }

    private func name(_ subject: Subject?) -> String {
        guard let subject, !subject.name.isEmpty else { return Words.damagedName }
        return subject.name
    }
}
#endif
