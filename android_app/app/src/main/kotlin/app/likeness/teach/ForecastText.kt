package app.likeness.teach

import android.content.Context
import app.likeness.R
import app.likeness.views.bytes
import app.likeness.views.duration
import app.likeness.views.text
import kotlin.math.ceil

/** What will happen, a line each: time, memory, storage, battery. */
fun Context.text(state: ForecastState): String = when (state) {
    ForecastState.NothingToPlan -> getString(R.string.teach_forecast_missing)
    ForecastState.Computing -> getString(R.string.teach_forecast_computing)
    is ForecastState.Failed -> text(state.problem)
    is ForecastState.Known -> lines(state.forecast).joinToString("\n")
}

private fun Context.lines(forecast: Forecast): List<String> = listOfNotNull(
    timeLine(forecast),
    getString(
        if (forecast.memoryIsShort) R.string.forecast_memory_short else R.string.forecast_memory,
        bytes(forecast.memoryBytes),
    ),
    getString(
        if (forecast.storageIsShort) R.string.forecast_storage_short else R.string.forecast_storage,
        bytes(forecast.storageBytes),
    ),
    batteryLine(forecast.batteryPercent),
    if (forecast.priorClass.isEmpty() || forecast.priorClass == "*") getString(R.string.forecast_no_prior) else null,
)

private fun Context.timeLine(forecast: Forecast): String {
    val text = if (forecast.timeIsMeasured) R.string.forecast_time_measured else R.string.forecast_time_probed
    return getString(text, duration(forecast.seconds))
}

private fun Context.batteryLine(percent: Double?): String = when (percent) {
    null -> getString(R.string.forecast_battery_unknown)
    else -> getString(R.string.forecast_battery, ceil(percent).toInt())
}
