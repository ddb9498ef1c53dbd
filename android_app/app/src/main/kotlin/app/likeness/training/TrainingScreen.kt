package app.likeness.training

import android.view.View
import android.view.ViewGroup
import android.widget.ImageView
import android.widget.ProgressBar
import android.widget.TextView
import app.likeness.R
import app.likeness.navigation.Host
import app.likeness.navigation.Route
import app.likeness.navigation.Screen
import app.likeness.platform.Bitmaps
import app.likeness.runtime.Picture
import app.likeness.views.duration
import app.likeness.views.show
import app.likeness.views.showText
import app.likeness.views.text
import kotlinx.coroutines.launch

/** How far a subject is, what it would look like now, and the ways to stop. */
class TrainingScreen(host: Host, parent: ViewGroup, private val model: TrainingViewModel) :
    Screen(host, R.layout.screen_training, parent) {
    override val title get() = string(R.string.training_title, model.state.value.subject?.name.orEmpty())
    private var shownPreview: Picture? = null

    init {
        onClick(R.id.pause, model::pause)
        onClick(R.id.go_on, model::goOn)
        onClick(R.id.keep, model::keepSoFar)
        onClick(R.id.discard, ::confirmDiscard)
        onClick(R.id.paint) { model.state.value.subject?.let { host.go(Route.Paint(it.id)) } }
        host.scope.launch { model.state.collect(::render) }
    }

    private fun render(state: TrainingUiState) {
        val subject = state.subject ?: return host.back()
        val training = state.training
        find<TextView>(R.id.title).showText(title)
        find<TextView>(R.id.problem).showText(training.problem?.let(host.activity::text))
        find<TextView>(R.id.stage).showText(stageText(training.stage, subject.name))
        find<TextView>(R.id.steps).showText(stepsText(training))
        find<TextView>(R.id.cause).showText(training.cause?.let(host.activity::text))
        find<ProgressBar>(R.id.progress).apply {
            show(training.stage != Stage.DONE)
            isIndeterminate = training.stage == Stage.OPENING || training.stage == Stage.STOPPING
            progress = training.permille
        }
        find<View>(R.id.paint).show(training.stage == Stage.DONE)
        find<View>(R.id.go_on).show(state.canGoOn)
        find<View>(R.id.pause).show(state.canPause)
        find<View>(R.id.keep).show(state.canKeepSoFar)
        find<View>(R.id.discard).show(state.canDiscard)
        renderPreview(training.preview, subject.name)
    }

    private fun renderPreview(preview: Picture?, name: String) {
        val image = find<ImageView>(R.id.preview)
        image.contentDescription =
            if (preview == null) string(R.string.training_preview_none) else string(R.string.training_preview, name)
        if (preview === shownPreview) return
        shownPreview = preview
        image.setImageBitmap(preview?.let(Bitmaps::of))
    }

    private fun stageText(stage: Stage, name: String) = when (stage) {
        Stage.IDLE -> string(R.string.stage_idle)
        Stage.OPENING -> string(R.string.stage_opening)
        Stage.ENCODING -> string(R.string.stage_encoding)
        Stage.TRAINING -> string(R.string.stage_training)
        Stage.STOPPING -> string(R.string.stage_stopping)
        Stage.SUSPENDED -> string(R.string.stage_suspended)
        Stage.DONE -> string(R.string.stage_done, name)
        Stage.FAILED -> string(R.string.stage_failed)
    }

    private fun stepsText(training: TrainingState): String? {
        val left = training.secondsLeft
        return when {
            training.steps == 0L || training.stage == Stage.DONE -> null
            left == null || training.waiting -> string(R.string.training_steps, training.step, training.steps)
            else -> string(R.string.training_steps_left, training.step, training.steps, host.activity.duration(left))
        }
    }

    private fun confirmDiscard() = confirm(
        string(R.string.training_discard_title),
        string(R.string.training_discard_text),
        string(R.string.training_discard),
        model::discard,
    )
}
