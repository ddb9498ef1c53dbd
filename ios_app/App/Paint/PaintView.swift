#if canImport(SwiftUI)
import SwiftUI

/// A sentence, subjects to put into it, what was painted, and below what only some people turn.
struct PaintView: View {
    let model: PaintViewModel
    let file: (ItemID) -> URL
    let show: (ItemID) -> Void

    var body: some View {
        let state = model.state
        Form {
            Section { prompt(state) }
            Section { painting(state) }
            if !state.painted.isEmpty {
                Section { PaintedPictures(pictures: state.painted, file: file, show: show) }
            }
            Section { PaintSettingsView(model: model) }
        }
        .navigationTitle(Words.paintTitle)
        .scrollDismissesKeyboard(.interactively)
        .task { await model.prepare() }
    }

    @ViewBuilder
    private func prompt(_ state: PaintUiState) -> some View {
        VStack(alignment: .leading) {
            Text(Words.prompt).font(.subheadline).foregroundStyle(.secondary).accessibilityHidden(true)
            TextField(
                Words.promptHint, text: Binding(showing: { model.state.settings.prompt }, telling: model.setPrompt),
                axis: .vertical
            )
            .accessibilityLabel(Words.prompt)
            .textInputAutocapitalization(.never)
        }
        ForEach(state.subjects) { subject in
            Button(Words.insert(subject.name), systemImage: "plus") { model.insert(subject) }
        }
        if let used = Words.used(state) {
            Text(used).foregroundStyle(state.tooManySubjects ? Color.red : Color.secondary)
        }
    }

    @ViewBuilder
    private func painting(_ state: PaintUiState) -> some View {
        if let problem = state.problem { ProblemBanner(problem: problem, dismiss: model.dismissProblem) }
        if let progress = state.progress {
            if let fraction = progress.fraction {
                ProgressView(Words.painting(percent: Int(100 * fraction)), value: fraction)
            } else {
                ProgressView(Words.preparing)
            }
            Button(Words.cancel, role: .cancel, action: model.cancel)
        } else {
            Button(Words.paint, systemImage: "paintbrush", action: model.paint)
                .font(.headline)
                .disabled(!state.canPaint)
        }
    }
}

/// What was painted last.
private struct PaintedPictures: View {
    let pictures: [KeptPicture]
    let file: (ItemID) -> URL
    let show: (ItemID) -> Void

    var body: some View {
        ForEach(pictures) { picture in
            Button {
                show(picture.id)
            } label: {
                FilePicture(file: file(picture.id), side: 400).clipShape(.rect(cornerRadius: 12))
            }
            .buttonStyle(.plain)
            .accessibilityLabel(Words.painted(picture.index + 1, picture.prompt))
            .accessibilityAddTraits(.isImage)
        }
    }
}
#endif
