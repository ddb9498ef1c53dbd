#if canImport(SwiftUI)
import PhotosUI
import SwiftUI

/// Photos, name, class, what it takes, and one tap to start.
struct TeachView: View {
    let model: TeachViewModel
    let taught: (ItemID) -> Void
    let done: () -> Void

    @State private var picked: [PhotosPickerItem] = []
    @State private var isDiscarding = false

    var body: some View {
        let state = model.state
        Form {
            Section {
                photos(state)
            } header: {
                Text(Words.photosHint)
            }
            Section { names(state) }
            Section(Words.forecastTitle) { ForecastView(state: state.forecast) }
            Section {
                Button(Words.start) { Task { await model.start() } }
                    .font(.headline)
                    .disabled(!state.canStart)
            } footer: {
                Text(Words.privacy)
            }
            Section {
                Button(Words.discard, role: .destructive) { isDiscarding = true }
            }
        }
        .navigationTitle(Words.teachTitle)
        .onChange(of: picked) { _, items in add(items) }
        .onChange(of: state.startedID) { _, id in if let id { taught(id) } }
        .onChange(of: state.discarded) { _, discarded in if discarded { done() } }
        .confirmationDialog(Words.discardTitle, isPresented: $isDiscarding, titleVisibility: .visible) {
            Button(Words.discard, role: .destructive) { Task { await model.discard() } }
        }
    }

    @ViewBuilder
    private func photos(_ state: TeachUiState) -> some View {
        if state.problem != nil || state.refused > 0 {
            if state.refused > 0 { Text(Words.refused(state.refused)) }
            if let problem = state.problem { ProblemBanner(problem: problem, dismiss: model.dismissProblem) }
        }
        ScrollView(.horizontal) {
            LazyHStack {
                ForEach(Array(state.photos.enumerated()), id: \.element) { place, number in
                    Thumbnail(place: place + 1, load: { await model.photo(number) }) {
                        Task { await model.removePhoto(number) }
                    }
                }
            }
        }
        if let adding = state.adding {
            ProgressView(Words.adding(adding.done + 1, of: adding.total))
        } else {
            Text(state.photos.isEmpty ? Words.noPhotos : Words.photos(state.photos.count))
                .foregroundStyle(.secondary)
        }
        // The system's own picker: it runs apart, and this app sees only what is chosen.
        PhotosPicker(
            selection: $picked, maxSelectionCount: max(1, TeachUiState.mostPhotos - state.photos.count),
            matching: .images
        ) {
            Label(Words.choosePhotos, systemImage: "photo.badge.plus")
        }
        .disabled(!state.canAdd)
    }

    @ViewBuilder
    private func names(_ state: TeachUiState) -> some View {
        LabeledContent(Words.name) {
            TextField(Words.nameHint, text: Binding(showing: { model.state.name }, telling: model.setName))
                .multilineTextAlignment(.trailing)
        }
        LabeledContent(Words.className) {
            TextField(Words.classHint, text: Binding(showing: { model.state.className }, telling: model.setClassName))
                .multilineTextAlignment(.trailing)
                .textInputAutocapitalization(.never)
                .autocorrectionDisabled()
        }
        if !state.classes.isEmpty {
            Menu(Words.knownClasses) {
                ForEach(state.classes, id: \.self) { known in
                    Button(known) { model.setClassName(known) }
                }
            }
        }
    }

    private func add(_ items: [PhotosPickerItem]) {
        guard !items.isEmpty else { return }
        picked = []
        Task { await model.addPhotos(items.map(LibraryPhoto.init)) }
    }
}
#endif
