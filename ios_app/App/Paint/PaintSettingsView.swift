#if canImport(SwiftUI)
import SwiftUI

/// What only some people turn: how many, how carefully, what not, which seed.
struct PaintSettingsView: View {
    let model: PaintViewModel

    var body: some View {
        let settings = model.state.settings
        Stepper(
            Words.count(settings.count), value: Binding(showing: { settings.count }, telling: model.setCount),
            in: PaintUiState.counts)
        Stepper(
            Words.samplingSteps(settings.steps), value: Binding(showing: { settings.steps }, telling: model.setSteps),
            in: PaintUiState.steps)
        Stepper(
            Words.guidance(settings.guidance),
            value: Binding(showing: { settings.guidance }, telling: model.setGuidance),
            in: PaintUiState.guidances, step: 0.5)
        LabeledContent(Words.negativePrompt) {
            TextField(
                Words.negativePromptHint,
                text: Binding(showing: { model.state.settings.negativePrompt }, telling: model.setNegativePrompt)
            )
            .multilineTextAlignment(.trailing)
            .textInputAutocapitalization(.never)
        }
        LabeledContent(Words.seed) {
            TextField(
                Words.seed, text: Binding(showing: { String(model.state.settings.seed) }, telling: model.setSeed)
            )
            .multilineTextAlignment(.trailing)
            .keyboardType(.numberPad)
        }
        Toggle(
            Words.newSeed,
            isOn: Binding(showing: { model.state.newSeedEachTime }, telling: model.setNewSeedEachTime))
    }
}
#endif
