#if canImport(SwiftUI)
import SwiftUI

/// How far a subject is, what it would look like now, and the ways to stop.
struct TrainingView: View {
    let model: TrainingViewModel
    let paint: (Subject) -> Void
    let done: () -> Void

    @State private var isDiscarding = false

    var body: some View {
        let state = model.state
        ScrollView {
            VStack(alignment: .leading, spacing: 16) {
                preview(state)
                if let problem = state.training.problem { ProblemBanner(problem: problem, dismiss: nil) }
                progress(state)
                buttons(state)
            }
            .padding()
        }
        .navigationTitle(Words.learning(state.subject?.name ?? ""))
        .onChange(of: state.subject == nil, initial: true) { _, isDeleted in if isDeleted { done() } }
        .confirmationDialog(Words.discardLearnedTitle, isPresented: $isDiscarding, titleVisibility: .visible) {
            Button(Words.discardLearned, role: .destructive) { model.discard() }
        } message: {
            Text(Words.discardLearnedDetail)
        }
    }

    private func preview(_ state: TrainingUiState) -> some View {
        Group {
            if let picture = state.training.preview {
                CorePicture(picture: picture)
            } else {
                Rectangle().fill(.quaternary).aspectRatio(1, contentMode: .fit)
                    .overlay { Image(systemName: "photo").font(.largeTitle).foregroundStyle(.secondary) }
            }
        }
        .clipShape(.rect(cornerRadius: 16))
        .accessibilityElement()
        .accessibilityLabel(
            state.training.preview == nil ? Words.noPreview : Words.preview(state.subject?.name ?? "")
        )
        .accessibilityAddTraits(.isImage)
    }

    @ViewBuilder
    private func progress(_ state: TrainingUiState) -> some View {
        let training = state.training
        Text(Words.stage(training.stage, state.subject?.name ?? "")).font(.headline)
        switch training.stage {
        case .opening, .stopping: ProgressView()
        case .done: EmptyView()
        default: ProgressView(value: training.fraction)
        }
        if training.steps > 0 && training.stage != .done {
            Text(steps(training)).monospacedDigit().foregroundStyle(.secondary)
        }
        if let cause = training.cause { Text(Words.text(cause)) }
    }

    private func steps(_ training: TrainingState) -> String {
        guard let left = training.secondsLeft, !training.waiting else {
            return Words.steps(training.step, of: training.steps)
        }
        return Words.steps(training.step, of: training.steps, left: Words.duration(left))
    }

    @ViewBuilder
    private func buttons(_ state: TrainingUiState) -> some View {
        if state.training.stage == .done, let subject = state.subject {
            Button(Words.paintIt, systemImage: "paintbrush") { paint(subject) }
                .buttonStyle(.borderedProminent)
        }
        if state.canGoOn {
            Button(Words.goOn, systemImage: "play", action: model.goOn).buttonStyle(.borderedProminent)
        }
        if state.canPause { Button(Words.pause, systemImage: "pause", action: model.pause) }
        if state.canKeepSoFar { Button(Words.keepSoFar, systemImage: "checkmark", action: model.keepSoFar) }
        if state.canDiscard {
            Button(Words.discardLearned, systemImage: "trash", role: .destructive) { isDiscarding = true }
        }
    }
}
#endif
